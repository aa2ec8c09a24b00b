/* Relabel rules mean what Prometheus' documentation says they mean. */
#include "agent/exporter/relabel.h"
#include "tests/test.h"

#include <errno.h>

#define LABELS_BOTH "a=foo b=bar c=baz"

/* Labels as "name=value name=value". */
static void parse(struct labels *l, const char *text)
{
	char copy[4096];
	char *rest = copy;
	char *word;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = '\0';
		CHECK_INT(labels_set(l, word, value), 0);
	}
}

static bool equal(const struct labels *a, const struct labels *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++) {
		if (strcmp(a->entries[i].name, b->entries[i].name) ||
		    strcmp(a->entries[i].value, b->entries[i].value))
			return false;
	}
	return true;
}

static void check(const char *input, const char *rule, const char *expected)
{
	_cleanup_(labels_deinitp) struct labels l = LABELS_NULL, want = LABELS_NULL;
	_cleanup_(relabel_freep) struct relabel *r = NULL;
	struct err err = ERR_NULL;
	int e;

	CHECK_INT(relabel_new(&r), 0);
	parse(&l, input);
	e = relabel_add(r, rule, &err);
	CHECK_STR(err.text, "");
	CHECK_INT(e, 0);
	e = relabel_apply(r, &l);
	if (!expected) {
		CHECK_INT(e, RELABEL_E_DROP);
		return;
	}
	CHECK_INT(e, 0);
	parse(&want, expected);
	if (equal(&l, &want))
		return;
	fprintf(stderr, "%s of %s gives:", rule, input);
	for (size_t i = 0; i < l.nr; i++)
		fprintf(stderr, " %s=%s", l.entries[i].name, l.entries[i].value);
	fprintf(stderr, ", expected %s\n", expected);
	exit(1);
}

static void test_replace(void)
{
	check(LABELS_BOTH, "source_labels=a,regex=f(.*),target_label=d,replacement=ch${1}-ch${1}",
	      "a=foo b=bar c=baz d=choo-choo");
	check(LABELS_BOTH,
	      "source_labels=a;b,regex=f(.*);(.*)r,target_label=a,replacement=b${1}${2}m",
	      "a=boobam b=bar c=baz");
	/* anchored at both ends */
	check("a=foo", "source_labels=a,regex=o,target_label=d,replacement=x", "a=foo");
	check("a=foo", "source_labels=a,regex=.*o,target_label=d,replacement=x", "a=foo d=x");
	/* defaults: (.*), $1; a missing label is empty */
	check("a=foo", "source_labels=a,target_label=z", "a=foo z=foo");
	check("a=foo z=old", "source_labels=missing,target_label=z", "a=foo");
	/* an empty result removes; no match changes nothing */
	check("a=foo", "source_labels=a,regex=foo,target_label=a,replacement=", "");
	check("a=foo", "source_labels=a,regex=bar,target_label=a,replacement=", "a=foo");
	/* no source at all: a constant */
	check("a=foo", "target_label=env,replacement=prod", "a=foo env=prod");
}

static void test_expansion(void)
{
	/* $1x is the group called 1x, which there is not */
	check("a=foo", "source_labels=a,regex=(.)(.*),target_label=d,replacement=$1x", "a=foo");
	check("a=foo", "source_labels=a,regex=(.)(.*),target_label=d,replacement=${1}x",
	      "a=foo d=fx");
	check("a=foo", "source_labels=a,regex=(?P<n>.).*,target_label=d,replacement=$n-$$1-$9",
	      "a=foo d=f-$1-");
	check("a=foo", "source_labels=a,regex=(.*),target_label=d,replacement=$(1", "a=foo d=$(1");
	check("a=foo b=x1", "source_labels=b,regex=(.*),target_label=${1}_y,replacement=v",
	      "a=foo b=x1 x1_y=v");
	/* a target that is no name: nothing happens */
	check("a=foo b=x.1", "source_labels=b,regex=(.*),target_label=${1},replacement=v",
	      "a=foo b=x.1");
}

static void test_keep_and_drop(void)
{
	check(LABELS_BOTH, "source_labels=a,regex=.*o.*,action=drop", NULL);
	check(LABELS_BOTH, "source_labels=a,regex=no-match,action=drop", LABELS_BOTH);
	check(LABELS_BOTH, "source_labels=a,regex=f|o,action=drop", LABELS_BOTH);
	check(LABELS_BOTH, "source_labels=a,regex=.*o,action=keep", LABELS_BOTH);
	check(LABELS_BOTH, "source_labels=a,regex=no-match,action=keep", NULL);
	check("a=x b=x", "source_labels=a,target_label=b,action=keepequal", "a=x b=x");
	check("a=x b=y", "source_labels=a,target_label=b,action=keepequal", NULL);
	check("a=x b=x", "source_labels=a,target_label=b,action=dropequal", NULL);
	check("a=x b=y", "source_labels=a,target_label=b,action=dropequal", "a=x b=y");
}

static void test_hashmod(void)
{
	/* MD5("baz") = 73feffa4b7f6bb68e44cf984c85f6e88, its last eight bytes modulo 1000 */
	check("c=baz", "source_labels=c,target_label=d,modulus=1000,action=hashmod", "c=baz d=976");
	check("c=foo;bar", "source_labels=c,target_label=d,modulus=1,action=hashmod",
	      "c=foo;bar d=0");
}

static void test_label_names(void)
{
	check("a=foo b1=bar b2=baz", "regex=(b.*),replacement=bar_${1},action=labelmap",
	      "a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz");
	check("a=foo __meta_x=b", "regex=__meta_(.+),action=labelmap", "a=foo __meta_x=b x=b");
	check("a=foo b1=bar b2=baz", "regex=b.*,action=labeldrop", "a=foo");
	check("a=foo b1=bar b2=baz", "regex=b.*,action=labelkeep", "b1=bar b2=baz");
}

static void test_case(void)
{
	check("a=FooÄ", "source_labels=a,target_label=b,action=lowercase", "a=FooÄ b=fooÄ");
	check("a=Foo", "source_labels=a,target_label=b,action=Uppercase", "a=Foo b=FOO");
}

static void test_separator_and_commas(void)
{
	check("a=1 b=2", "source_labels=a;b,separator=-,target_label=c", "a=1 b=2 c=1-2");
	check("a=1 b=2", "source_labels=a;b,separator=,,,target_label=c", "a=1 b=2 c=1,2");
	check("a=xx", "source_labels=a,regex=x{1,,2},target_label=c,replacement=y", "a=xx c=y");
}

static void refuse(const char *rule, const char *why)
{
	_cleanup_(relabel_freep) struct relabel *r = NULL;
	struct err err = ERR_NULL;

	CHECK_INT(relabel_new(&r), 0);
	CHECK_INT(relabel_add(r, rule, &err), -EINVAL);
	if (!strstr(err.text, why)) {
		fprintf(stderr, "%s: \"%s\", expected \"%s\"\n", rule, err.text, why);
		exit(1);
	}
}

static void test_what_is_refused(void)
{
	refuse("action=replace,source_labels=a", "target_label");
	refuse("action=hashmod,source_labels=a,target_label=b", "modulus");
	refuse("action=hashmod,source_labels=a,target_label=b,modulus=0", "modulus");
	refuse("action=labeldrop,regex=a,target_label=b", "regex only");
	refuse("action=nonsense", "unknown");
	refuse("colour=red", "unknown");
	refuse("regex=(,target_label=a", "regex=(");
	refuse("action=lowercase,target_label=1a", "not a label name");
	refuse("nothing", "not KEY=VALUE");
}

/* What would take a backtracking matcher for ever ends, counted, as no match. */
static void test_steps_are_bounded(void)
{
	_cleanup_(labels_deinitp) struct labels l = LABELS_NULL;
	_cleanup_(relabel_freep) struct relabel *r = NULL;
	struct err err = ERR_NULL;
	char hostile[200];

	memset(hostile, 'a', sizeof(hostile) - 2);
	strcpy(hostile + sizeof(hostile) - 2, "!");
	CHECK_INT(relabel_new(&r), 0);
	CHECK_INT(relabel_add(r, "source_labels=a,regex=(a|aa|a+)+,action=drop", &err), 0);
	CHECK_INT(labels_set(&l, "a", hostile), 0);
	CHECK_INT(relabel_apply(r, &l), 0);
	CHECK_INT(relabel_gave_up(r), 1);
}

static void test_values_are_valid_and_bounded(void)
{
	_cleanup_(labels_deinitp) struct labels l = LABELS_NULL;
	char longest[2 * LABELS_VALUE_MAX];

	CHECK_INT(labels_set(&l, "a", "x\xff\xfey"), 0);
	CHECK_STR(labels_get(&l, "a"), "x\xef\xbf\xbd\xef\xbf\xbdy");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK_INT(labels_set(&l, "a", longest), 0);
	CHECK_INT(strlen(labels_get(&l, "a")), LABELS_VALUE_MAX);
	CHECK_INT(labels_set(&l, "a", ""), 0);
	CHECK_INT(l.nr, 0);
	for (size_t i = 0; i < LABELS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%zu", i);
		CHECK_INT(labels_set(&l, name, "v"), 0);
	}
	CHECK_INT(labels_set(&l, "one_more", "v"), -ENOSPC);
}

int main(void)
{
	RUN(test_replace);
	RUN(test_expansion);
	RUN(test_keep_and_drop);
	RUN(test_hashmod);
	RUN(test_label_names);
	RUN(test_case);
	RUN(test_separator_and_commas);
	RUN(test_what_is_refused);
	RUN(test_steps_are_bounded);
	RUN(test_values_are_valid_and_bounded);
	return 0;
}
