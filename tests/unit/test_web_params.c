/* Query strings and headers of the page's requests: what is plainly right comes through, and nothing else. */
#include "agent/base/clock.h"
#include "agent/exporter/web_guard.h"
#include "agent/exporter/web_listen.h"
#include "agent/exporter/web_params.h"
#include "tests/test.h"

#include <errno.h>

static int parse(const char *query, struct web_params *p)
{
	struct err err = ERR_NULL;
	int r = web_params_parse(p, query, ~0u, WEB_PARAM_RANGE, &err);

	CHECK((r < 0) == (err.text[0] != '\0'));
	return r;
}

static void test_a_question_is_read(void)
{
	struct web_params p;

	CHECK_INT(parse("from=1000&to=2000&owner=7&points=48&nodes=500&format=folded", &p), 0);
	CHECK(p.span.from_ns == 1000 * NSEC_PER_MSEC && p.span.to_ns == 2000 * NSEC_PER_MSEC);
	CHECK_INT(p.span.owner, 7);
	CHECK_INT(p.points, 48);
	CHECK_INT(p.nodes, 500);
	CHECK_INT(p.format, WEB_FORMAT_FOLDED);
	CHECK(!(p.given & WEB_PARAM_BASE));
	CHECK_INT(parse("base_to=9&base_from=8&to=2&from=1&base_owner=0", &p), 0);
	CHECK(p.base.from_ns == 8 * NSEC_PER_MSEC && p.base.owner == 0);
}

static void test_nonsense_is_refused(void)
{
	static const char *const wrong[] = {
		"",
		"from=1",
		"from=1&to=1",
		"from=2&to=1",
		"from=1&to=2&",
		"&from=1&to=2",
		"from=1&to=2&from=1",
		"from=1&to=2&x=1",
		"from=+1&to=2",
		"from=1&to=2 ",
		"from=0x1&to=2",
		"from=1&to=-2",
		"from=1&to=2&owner=9223372036854775808",
		"from=1&to=9000000000001",
		"from=1&to=2&base_from=1&base_to=2",
		"from=1&to=2&points=0",
		"from=1&to=2&points=2001",
		"from=1&to=2&nodes=99",
		"from=1&to=2&format=",
		"from=1&to=2&format=PPROF",
		"from&to=2",
		"from=1&to=2&owner=00000000000000000000000000000000000001",
	};
	char lengthy[WEB_QUERY_MAX + 2];
	struct web_params p;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (parse(wrong[i], &p) != -EINVAL) {
			fprintf(stderr, "accepted: %s\n", wrong[i]);
			exit(1);
		}
	}
	memset(lengthy, '&', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	CHECK_INT(parse(lengthy, &p), -EINVAL);
}

static void test_a_request_has_its_own_parameters(void)
{
	struct web_params p;
	struct err err = ERR_NULL;

	CHECK_INT(web_params_parse(&p, "", 0, 0, &err), 0);
	CHECK_INT(web_params_parse(&p, "from=1", 0, 0, &err), -EINVAL);
	CHECK_INT(web_params_parse(&p, "from=1&to=2&nodes=500", WEB_PARAM_RANGE, WEB_PARAM_RANGE,
				   &err),
		  -EINVAL);
}

static void test_hosts(void)
{
	const struct web_hosts strict = { .nr_names = 0 };
	const struct web_hosts wide = { .any_address = true,
					.names = { "box.lan" },
					.nr_names = 1 };

	CHECK(web_host_is_ours(&strict, "127.0.0.1:4344") &&
	      web_host_is_ours(&strict, "localhost"));
	CHECK(web_host_is_ours(&strict, "[::1]:1") && web_host_is_ours(&strict, "LOCALHOST:65535"));
	CHECK(!web_host_is_ours(&strict, "127.0.0.2") && !web_host_is_ours(&strict, "box.lan"));
	CHECK(!web_host_is_ours(&strict, "localhost:") &&
	      !web_host_is_ours(&strict, "localhost:1x"));
	CHECK(!web_host_is_ours(&strict, "[::1") && !web_host_is_ours(&strict, "::1"));
	CHECK(!web_host_is_ours(&strict, "") && !web_host_is_ours(&strict, NULL));
	CHECK(!web_host_is_ours(&strict, "localhost.evil.example"));
	CHECK(web_host_is_ours(&wide, "10.0.0.7:80") && web_host_is_ours(&wide, "[fe80::1]:80"));
	CHECK(web_host_is_ours(&wide, "Box.Lan:1") && !web_host_is_ours(&wide, "evil.example"));
}

static void test_origins_and_tokens(void)
{
	CHECK(web_origin_is_ours(NULL, "localhost:1"));
	CHECK(web_origin_is_ours("http://localhost:1", "localhost:1"));
	CHECK(!web_origin_is_ours("http://localhost:2", "localhost:1"));
	CHECK(!web_origin_is_ours("null", "localhost:1"));
	CHECK(!web_origin_is_ours("http://x", NULL));
	CHECK(web_site_is_ours("same-origin") && !web_site_is_ours("same-site"));
	CHECK(web_token_fits("Bearer abc", "abc") && web_token_fits("bearer abc", "abc"));
	CHECK(!web_token_fits("Bearer abd", "abc") && !web_token_fits("Bearer ab", "abc"));
	CHECK(!web_token_fits("Bearer ", "") && !web_token_fits(NULL, "abc"));
	CHECK(!web_token_fits("abc", "abc"));
}

static void test_gzip(void)
{
	CHECK(web_accepts_gzip("gzip") && web_accepts_gzip("br, gzip;q=0.5, x"));
	CHECK(!web_accepts_gzip("gzip;q=0") && !web_accepts_gzip("br, gzip;q=0.00, x"));
	CHECK(!web_accepts_gzip("gzipped") && !web_accepts_gzip("") && !web_accepts_gzip(NULL));
}

static void test_addresses(void)
{
	struct err err = ERR_NULL;
	bool loopback;

	CHECK_INT(web_listen_check("127.0.0.1:4344", &loopback, &err), 0);
	CHECK(loopback);
	CHECK_INT(web_listen_check("[::]:80", &loopback, &err), 0);
	CHECK(!loopback);
	CHECK_INT(web_listen_check("localhost:0", &loopback, &err), 0);
	CHECK_INT(web_listen_check("localhost", &loopback, &err), -EINVAL);
	CHECK_INT(web_listen_check("host.example:80", &loopback, &err), -EINVAL);
	CHECK_INT(web_listen_check("127.0.0.1:65536", &loopback, &err), -EINVAL);
}

int main(void)
{
	RUN(test_a_question_is_read);
	RUN(test_nonsense_is_refused);
	RUN(test_a_request_has_its_own_parameters);
	RUN(test_hosts);
	RUN(test_origins_and_tokens);
	RUN(test_gzip);
	RUN(test_addresses);
	return 0;
}
