/*
 * Rules that rewrite labels, with the meaning of Prometheus' relabel_config
 * (prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).
 *
 * A rule: "action=replace,source_labels=a;b,separator=;,regex=(.*),target_label=c,replacement=$1" (a comma is doubled),
 * everything but what differs from the defaults left out. Actions: replace, keep, drop, keepequal, dropequal, hashmod,
 * labelmap, labeldrop, labelkeep, lowercase, uppercase. The regex is anchored at both ends.
 *
 * The regex is matched by PCRE2, whose syntax includes nearly all of RE2's. What RE2 promises, linear time, is here a
 * limit on steps: names come from containers, and one that needs more counts as not matching, and is counted.
 *
 * Pure; fuzzed by tests/fuzz/fuzz_relabel.c.
 */
#ifndef FLEETPROF_EXPORTER_RELABEL_H
#define FLEETPROF_EXPORTER_RELABEL_H

#include "agent/base/err.h"
#include "agent/exporter/labels.h"

#define RELABEL_MAX_RULES 64
#define RELABEL_MAX_SOURCES 16

struct relabel;

int relabel_new(struct relabel **ret);
struct relabel *relabel_free(struct relabel *r);
DEFINE_CLEANUP(struct relabel *, relabel_free)

/* Adds a rule behind the others. 0, -EINVAL with err set, or -ENOMEM. */
int relabel_add(struct relabel *r, const char *rule, struct err *err);

enum { RELABEL_E_DROP = 1 };
/* 0; RELABEL_E_DROP: a rule says that whoever has these labels is to be left out; -ENOMEM or -ENOSPC. */
int relabel_apply(struct relabel *r, struct labels *l);

/* Matches that were given up at the limit on steps. */
uint64_t relabel_gave_up(const struct relabel *r);

#endif
