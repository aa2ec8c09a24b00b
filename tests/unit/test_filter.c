/* What is sampled: lists of cgroups and containers, and what is left out of them. */
#include "agent/core/filter.h"
#include "agent/base/cleanup.h"
#include "tests/test.h"

#define ID "873035ffae9c4d5998aa5929b031a42d8b3c812a42b8befd061a5c617ea7e246"

static char *web_list[] = { "web", "db" }, *id_list[] = { "873035ffae9c" };
static char *unit_list[] = { "/system.slice/nginx.service/", "/user.slice" };
static const struct config_strings none, web = { web_list, 2 }, id = { id_list, 1 },
					 units = { unit_list, 2 };

static enum filter_answer ask(const struct filter *f, const char *path, const char *name,
			      bool name_known)
{
	struct owner_ref ref;

	owner_from_cgroup_path(path, &ref);
	return filter_ask(f, path, &ref, name, name_known);
}

static void test_everything(void)
{
	struct filter f = { &none, &none, &none, &none };

	CHECK_INT(ask(NULL, "/", "", true), FILTER_SAMPLED);
	CHECK_INT(ask(&f, "/", "", true), FILTER_SAMPLED);
	CHECK_INT(ask(&f, "/docker/" ID, "", false), FILTER_SAMPLED);
}

static void test_cgroups(void)
{
	struct filter only = { &units, &none, &none, &none };
	struct filter but = { &none, &none, &units, &none };
	static const struct {
		const char *path;
		bool in;
	} cases[] = {
		{ "/", false },
		{ "/system.slice", false },
		{ "/system.slice/nginx.service", true },
		{ "/system.slice/nginx.service/worker", true },
		{ "/system.slice/nginx.service2", false },
		{ "/user.slice/user-1000.slice/session-3.scope", true },
		{ "/docker/" ID, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(ask(&only, cases[i].path, "", false),
			  cases[i].in ? FILTER_SAMPLED : FILTER_LEFT_OUT);
		CHECK_INT(ask(&but, cases[i].path, "", false),
			  cases[i].in ? FILTER_LEFT_OUT : FILTER_SAMPLED);
	}
}

static void test_containers(void)
{
	struct filter only = { &none, &web, &none, &none };
	struct filter but = { &none, &none, &none, &web };
	struct filter by_id = { &none, &id, &none, &none };

	CHECK_INT(ask(&only, "/docker/" ID, "", false), FILTER_UNDECIDED);
	CHECK_INT(ask(&only, "/docker/" ID, "", true), FILTER_LEFT_OUT);
	CHECK_INT(ask(&only, "/docker/" ID, "web", true), FILTER_SAMPLED);
	CHECK_INT(ask(&only, "/docker/" ID, "web", false), FILTER_SAMPLED); /* asked again */
	CHECK_INT(ask(&only, "/docker/" ID, "webs", true), FILTER_LEFT_OUT);
	CHECK_INT(ask(&only, "/system.slice/web.service", "", true), FILTER_LEFT_OUT);
	/* not one sample of what is left out, also while its name is being asked for */
	CHECK_INT(ask(&but, "/docker/" ID, "", false), FILTER_UNDECIDED);
	CHECK_INT(ask(&but, "/docker/" ID, "db", true), FILTER_LEFT_OUT);
	CHECK_INT(ask(&but, "/docker/" ID, "", true), FILTER_SAMPLED);
	CHECK_INT(ask(&but, "/", "", true), FILTER_SAMPLED);
	CHECK_INT(ask(&by_id, "/docker/" ID, "", false), FILTER_SAMPLED);
	/* a user's cgroup that is named after a container */
	CHECK_INT(ask(&by_id, "/user.slice/user-7.slice/user@7.service/docker/" ID, "", true),
		  FILTER_LEFT_OUT);
}

static void test_both(void)
{
	struct filter f = { &units, &web, &none, &web };

	CHECK_INT(ask(&f, "/user.slice/x", "", true), FILTER_SAMPLED);
	CHECK_INT(ask(&f, "/docker/" ID, "web", true), FILTER_LEFT_OUT); /* out wins */
	CHECK_INT(ask(&f, "/docker/" ID, "other", true), FILTER_LEFT_OUT);
}

int main(void)
{
	RUN(test_everything);
	RUN(test_cgroups);
	RUN(test_containers);
	RUN(test_both);
	return 0;
}
