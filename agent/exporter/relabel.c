/* Rules that rewrite labels. */
#include "agent/exporter/relabel.h"
#include "agent/base/buf.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/exporter/keyvalue.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define STEPS_MAX 100000 /* some milliseconds */
#define DEPTH_MAX 2000
#define HEAP_MAX_KIB 4096
#define RESULT_MAX (64u << 10)
#define GROUP_NAME_MAX 32 /* as PCRE2's */

enum action {
	REPLACE,
	KEEP,
	DROP,
	KEEPEQUAL,
	DROPEQUAL,
	HASHMOD,
	LABELMAP,
	LABELDROP,
	LABELKEEP,
	LOWERCASE,
	UPPERCASE,
	NR_ACTIONS
};

static const char *const action_names[NR_ACTIONS] = { "replace",   "keep",      "drop",
						      "keepequal", "dropequal", "hashmod",
						      "labelmap",  "labeldrop", "labelkeep",
						      "lowercase", "uppercase" };

struct rule {
	enum action action;
	char *sources[RELABEL_MAX_SOURCES];
	size_t nr_sources;
	char *separator, *regex, *target, *replacement;
	uint64_t modulus;
	pcre2_code *code;
	pcre2_match_data *match;
};

struct relabel {
	struct rule *rules[RELABEL_MAX_RULES];
	size_t nr;
	pcre2_match_context *limits;
	uint64_t gave_up;
};

static struct rule *rule_free(struct rule *rule)
{
	if (!rule)
		return NULL;
	for (size_t i = 0; i < rule->nr_sources; i++)
		free(rule->sources[i]);
	free(rule->separator);
	free(rule->regex);
	free(rule->target);
	free(rule->replacement);
	pcre2_code_free(rule->code);
	pcre2_match_data_free(rule->match);
	free(rule);
	return NULL;
}
DEFINE_CLEANUP(struct rule *, rule_free)

int relabel_new(struct relabel **ret)
{
	_cleanup_(relabel_freep) struct relabel *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->limits = pcre2_match_context_create(NULL);
	if (!r->limits)
		return -ENOMEM;
	pcre2_set_match_limit(r->limits, STEPS_MAX);
	pcre2_set_depth_limit(r->limits, DEPTH_MAX);
	pcre2_set_heap_limit(r->limits, HEAP_MAX_KIB);
	*ret = TAKE_PTR(r);
	return 0;
}

struct relabel *relabel_free(struct relabel *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->nr; i++)
		rule_free(r->rules[i]);
	pcre2_match_context_free(r->limits);
	free(r);
	return NULL;
}

uint64_t relabel_gave_up(const struct relabel *r)
{
	return r->gave_up;
}

static int parse_sources(struct rule *rule, const char *value, struct err *err)
{
	while (*value) {
		size_t len = strcspn(value, ";");

		if (rule->nr_sources == RELABEL_MAX_SOURCES)
			return err_set(err, -EINVAL, "more than %d source_labels",
				       RELABEL_MAX_SOURCES);
		rule->sources[rule->nr_sources] = strndup(value, len);
		if (!rule->sources[rule->nr_sources++])
			return -ENOMEM;
		value += len + (value[len] == ';');
	}
	return 0;
}

static int set_string(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	return *field ? 0 : -ENOMEM;
}

static int parse_action(struct rule *rule, const char *value, struct err *err)
{
	for (size_t i = 0; i < NR_ACTIONS; i++) {
		if (!strcasecmp(action_names[i], value)) {
			rule->action = (enum action)i;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "action=%s: unknown", value);
}

static int on_part(const char *key, const char *value, void *userdata, struct err *err)
{
	struct rule *rule = userdata;

	if (!strcmp(key, "action"))
		return parse_action(rule, value, err);
	if (!strcmp(key, "source_labels"))
		return parse_sources(rule, value, err);
	if (!strcmp(key, "separator"))
		return set_string(&rule->separator, value);
	if (!strcmp(key, "regex"))
		return set_string(&rule->regex, value);
	if (!strcmp(key, "target_label"))
		return set_string(&rule->target, value);
	if (!strcmp(key, "replacement"))
		return set_string(&rule->replacement, value);
	if (strcmp(key, "modulus"))
		return err_set(err, -EINVAL, "%s: unknown", key);
	if (sys_parse_u64(value, 10, 1, UINT64_MAX, &rule->modulus) < 0)
		return err_set(err, -EINVAL, "modulus=%s: not a number above 0", value);
	return 0;
}

static int compile(struct rule *rule, struct err *err)
{
	const uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
				 PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	char why[128];
	PCRE2_SIZE at;
	int code;

	rule->code = pcre2_compile((PCRE2_SPTR)rule->regex, PCRE2_ZERO_TERMINATED, options, &code,
				   &at, NULL);
	if (!rule->code) {
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		return err_set(err, -EINVAL, "regex=%s: %s at character %zu", rule->regex, why, at);
	}
	rule->match = pcre2_match_data_create_from_pattern(rule->code, NULL);
	return rule->match ? 0 : -ENOMEM;
}

/* What Prometheus' own check of a rule refuses. */
static int check_rule(const struct rule *rule, struct err *err)
{
	bool writes = rule->action == REPLACE || rule->action == HASHMOD ||
		      rule->action == LOWERCASE || rule->action == UPPERCASE;
	bool compares = rule->action == KEEPEQUAL || rule->action == DROPEQUAL;
	const char *name = action_names[rule->action];

	if ((writes || compares) && !rule->target[0])
		return err_set(err, -EINVAL, "action=%s needs a target_label", name);
	if (rule->action != REPLACE && rule->target[0] && !labels_is_name(rule->target))
		return err_set(err, -EINVAL, "target_label=%s is not a label name", rule->target);
	if (rule->action == HASHMOD && !rule->modulus)
		return err_set(err, -EINVAL, "action=hashmod needs a modulus");
	if (!text_is_valid(rule->separator, strlen(rule->separator)))
		return err_set(err, -EINVAL, "the separator is not UTF-8");
	if ((rule->action == LABELDROP || rule->action == LABELKEEP) &&
	    (rule->nr_sources || rule->target[0] || rule->modulus))
		return err_set(err, -EINVAL, "action=%s takes a regex only", name);
	return 0;
}

int relabel_add(struct relabel *r, const char *text, struct err *err)
{
	_cleanup_(rule_freep) struct rule *rule = calloc(1, sizeof(*rule));
	int e;

	if (r->nr == RELABEL_MAX_RULES)
		return err_set(err, -EINVAL, "more than %d rules", RELABEL_MAX_RULES);
	if (!rule)
		return -ENOMEM;
	e = set_string(&rule->separator, ";") ?: set_string(&rule->regex, "(.*)");
	e = e ?: set_string(&rule->target, "") ?: set_string(&rule->replacement, "$1");
	e = e ?: keyvalue_parse(text, on_part, rule, err);
	e = e ?: check_rule(rule, err);
	e = e ?: compile(rule, err);
	if (e < 0)
		return e;
	r->rules[r->nr++] = TAKE_PTR(rule);
	return 0;
}

/* Whether all of s matches; what matched is in rule->match. */
static bool matches(struct relabel *r, const struct rule *rule, const char *s)
{
	int n = pcre2_match(rule->code, (PCRE2_SPTR)s, strlen(s), 0, PCRE2_NO_UTF_CHECK,
			    rule->match, r->limits);

	if (n < 0 && n != PCRE2_ERROR_NOMATCH)
		r->gave_up++;
	return n > 0;
}

/* Group n's text, as it matched in s, is added; a group that there is none of, or that took no part, is empty. */
static void add_group(struct buf *out, const struct rule *rule, const char *s, uint32_t n)
{
	const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(rule->match);

	if (n < pcre2_get_ovector_count(rule->match) && ovector[2 * n] != PCRE2_UNSET)
		buf_add(out, s + ovector[2 * n], ovector[2 * n + 1] - ovector[2 * n]);
}

/* A group by number or by name. */
static void add_reference(struct buf *out, const struct rule *rule, const char *s, const char *ref,
			  size_t len)
{
	char name[GROUP_NAME_MAX + 1];
	uint64_t n;
	int by_name;

	if (len > GROUP_NAME_MAX)
		return;
	memcpy(name, ref, len);
	name[len] = '\0';
	if (strspn(name, "0123456789") == len) {
		if (sys_parse_u64(name, 10, 0, UINT32_MAX, &n) == 0)
			add_group(out, rule, s, (uint32_t)n);
		return;
	}
	by_name = pcre2_substring_number_from_name(rule->code, (PCRE2_SPTR)name);
	if (by_name > 0)
		add_group(out, rule, s, (uint32_t)by_name);
}

/* Go's Regexp.Expand: $name, ${name}, $$; a name without braces is as long as it can be. */
static void expand(struct buf *out, const struct rule *rule, const char *template, const char *s)
{
	while (*template) {
		size_t plain = strcspn(template, "$"), len;
		bool braces;

		buf_add(out, template, plain);
		template += plain;
		if (!*template)
			return;
		template ++; /* the dollar */
		if (*template == '$') {
			buf_addc(out, *template ++);
			continue;
		}
		braces = *template == '{';
		len = 0;
		while (isascii(template[braces + len]) &&
		       (isalnum(template[braces + len]) || template[braces + len] == '_'))
			len++;
		if (!len || (braces && template[1 + len] != '}')) {
			buf_addc(out, '$'); /* malformed: it stands for itself */
			continue;
		}
		add_reference(out, rule, s, template + braces, len);
		template += len + 2u * braces;
	}
}

static int apply_replace(struct relabel *r, const struct rule *rule, const char *s,
			 struct labels *l)
{
	_cleanup_(buf_deinitp) struct buf target = BUF_NULL, result = BUF_NULL;

	if (!matches(r, rule, s))
		return 0;
	buf_init(&target, RESULT_MAX);
	buf_init(&result, RESULT_MAX);
	expand(&target, rule, rule->target, s);
	expand(&result, rule, rule->replacement, s);
	if (target.error == -ENOMEM || result.error == -ENOMEM)
		return -ENOMEM;
	if (!labels_is_name(buf_str(&target)))
		return 0;
	return labels_set(l, buf_str(&target), buf_str(&result));
}

/* MD5 spreads here, it protects nothing: this is the number that Prometheus gives the same labels. */
static int apply_hashmod(const struct rule *rule, const char *s, struct labels *l)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char number[24];
	uint64_t v = 0;

	if (!EVP_Digest(s, strlen(s), digest, NULL, EVP_md5(), NULL))
		return -ENOSYS; /* a libcrypto without it */
	for (size_t i = 8; i < 16; i++)
		v = v << 8 | digest[i];
	snprintf(number, sizeof(number), "%" PRIu64, v % rule->modulus);
	return labels_set(l, rule->target, number);
}

static int apply_labelmap(struct relabel *r, const struct rule *rule, struct labels *l)
{
	_cleanup_(labels_deinitp) struct labels before = LABELS_NULL;
	int e = labels_copy(&before, l);

	for (size_t i = 0; i < before.nr && e == 0; i++) {
		_cleanup_(buf_deinitp) struct buf name = BUF_NULL;

		if (!matches(r, rule, before.entries[i].name))
			continue;
		buf_init(&name, RESULT_MAX);
		expand(&name, rule, rule->replacement, before.entries[i].name);
		if (name.error == -ENOMEM)
			e = -ENOMEM;
		else if (labels_is_name(buf_str(&name)))
			e = labels_set(l, buf_str(&name), before.entries[i].value);
	}
	return e;
}

static void apply_labeldrop(struct relabel *r, const struct rule *rule, struct labels *l)
{
	for (size_t i = l->nr; i-- > 0;) {
		if (matches(r, rule, l->entries[i].name) == (rule->action == LABELDROP))
			labels_remove(l, l->entries[i].name);
	}
}

/* Of ASCII; what Go does beyond it depends on its version's tables. */
static int apply_case(const struct rule *rule, char *s, struct labels *l)
{
	for (char *c = s; *c; c++) {
		if (isascii(*c))
			*c = (char)(rule->action == LOWERCASE ? tolower(*c) : toupper(*c));
	}
	return labels_set(l, rule->target, s);
}

static int apply(struct relabel *r, const struct rule *rule, struct labels *l)
{
	_cleanup_(buf_deinitp) struct buf joined = BUF_NULL;
	char *s;

	buf_init(&joined, (LABELS_VALUE_MAX + KEYVALUE_MAX) * RELABEL_MAX_SOURCES);
	for (size_t i = 0; i < rule->nr_sources; i++) {
		if (i)
			buf_adds(&joined, rule->separator);
		buf_adds(&joined, labels_get(l, rule->sources[i]));
	}
	buf_adds(&joined, ""); /* a string, even without sources */
	if (joined.error || !joined.data)
		return -ENOMEM;
	s = joined.data;
	switch (rule->action) {
	case REPLACE:
		return apply_replace(r, rule, s, l);
	case KEEP:
		return matches(r, rule, s) ? 0 : RELABEL_E_DROP;
	case DROP:
		return matches(r, rule, s) ? RELABEL_E_DROP : 0;
	case KEEPEQUAL:
		return strcmp(labels_get(l, rule->target), s) ? RELABEL_E_DROP : 0;
	case DROPEQUAL:
		return strcmp(labels_get(l, rule->target), s) ? 0 : RELABEL_E_DROP;
	case HASHMOD:
		return apply_hashmod(rule, s, l);
	case LABELMAP:
		return apply_labelmap(r, rule, l);
	case LABELDROP:
	case LABELKEEP:
		apply_labeldrop(r, rule, l);
		return 0;
	case LOWERCASE:
	case UPPERCASE:
		return apply_case(rule, s, l);
	case NR_ACTIONS:
		break;
	}
	return -EINVAL;
}

int relabel_apply(struct relabel *r, struct labels *l)
{
	int e = 0;

	for (size_t i = 0; i < r->nr && e == 0; i++)
		e = apply(r, r->rules[i], l);
	return e;
}
