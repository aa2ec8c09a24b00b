/* The exporter's command line: what it means, and what it refuses, in words. */
#include "agent/base/clock.h"
#include "agent/exporter/options.h"
#include "tests/test.h"

#include <errno.h>

#define UPLOAD "type=pyroscope,url=https://pyro.example:4040/base/"

static char *const always[] = { "fleetprof-exporter", "--store", "/tmp/x" };

static int parse(struct options *o, const char *name, const char *value, struct err *err)
{
	char *argv[] = { always[0], always[1], always[2], (char *)name, (char *)value, NULL };

	*err = ERR_NULL;
	return options_parse(o, 5, argv, err);
}

static void test_a_back_end(void)
{
	_cleanup_(options_deinitp) struct options o;
	const struct upload_config *c = &o.upload.backends[0];
	struct err err;

	CHECK_INT(parse(&o, "--upload",
			UPLOAD ",tenant=a,,b,token-file=/t,header=X-A: 1,fraction=0.25,max-age=600",
			&err),
		  0);
	CHECK_INT(o.upload.nr_backends, 1);
	CHECK_STR(c->url, "https://pyro.example:4040/base");
	CHECK_STR(c->host, "pyro.example");
	CHECK_INT(c->port, 4040);
	CHECK(c->tls);
	CHECK_STR(c->tenant, "a,b");
	CHECK_STR(c->headers[0], "X-A: 1");
	CHECK_INT(c->fraction_ppm, 250000);
	CHECK_INT(c->max_age_ns, 600 * NSEC_PER_SEC);
	CHECK_INT(c->requests_per_s, 2);
	CHECK_INT(c->bytes_per_s, 32768);
	CHECK_INT(o.upload.max_series, 500);
}

static void test_cache(void)
{
	_cleanup_(options_deinitp) struct options o;
	_cleanup_(options_deinitp) struct options bad;
	struct err err = ERR_NULL;

	CHECK_INT(parse(&o, "--store-cache", "1048576", &err), 0);
	CHECK_INT(o.store.cache_bytes, 1048576);
	CHECK_INT(parse(&bad, "--store-cache", "12", &err), -EINVAL);
}

static void test_urls(void)
{
	static const struct {
		const char *url, *host;
		int port;
	} good[] = {
		{ "http://h", "h", 80 },
		{ "https://h", "h", 443 },
		{ "http://127.0.0.1:4040", "127.0.0.1", 4040 },
		{ "http://[::1]:4040/x", "[::1]", 4040 },
		{ "https://[::1]", "[::1]", 443 },
	};
	static const char *const bad[] = {
		"ftp://h",       "h:4040",         "http://",   "http://user:secret@h",
		"http://h:0",    "http://h:65536", "http://:1", "http://h?a=1",
		"http://h:port", "http://h:1:2",
	};
	char text[256];
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_(options_deinitp) struct options o;

		snprintf(text, sizeof(text), "type=pyroscope,url=%s", good[i].url);
		CHECK_INT(parse(&o, "--upload", text, &err), 0);
		CHECK_STR(o.upload.backends[0].host, good[i].host);
		CHECK_INT(o.upload.backends[0].port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(options_deinitp) struct options o;

		snprintf(text, sizeof(text), "type=pyroscope,url=%s", bad[i]);
		CHECK_INT(parse(&o, "--upload", text, &err), -EINVAL);
		CHECK(strstr(err.text, "--upload: url: not http"));
		CHECK(!strstr(err.text, "secret"));
	}
}

static void refuse(const char *name, const char *value, const char *why)
{
	_cleanup_(options_deinitp) struct options o;
	struct err err;

	CHECK_INT(parse(&o, name, value, &err), -EINVAL);
	if (!strstr(err.text, why)) {
		fprintf(stderr, "%s %s: \"%s\", expected \"%s\"\n", name, value, err.text, why);
		exit(1);
	}
}

static void test_what_is_refused(void)
{
	refuse("--upload", "type=pyroscope", "url is missing");
	refuse("--upload", "type=parca,url=http://h", "type=parca: unknown");
	refuse("--upload", UPLOAD ",colour=red", "colour: unknown");
	refuse("--upload", UPLOAD ",token-file=relative", "not an absolute path");
	refuse("--upload", UPLOAD ",username=u", "belong together");
	refuse("--upload", UPLOAD ",header=Authorization: Bearer x", "secrets come from");
	refuse("--upload", UPLOAD ",header=nonsense", "not \"Name: value\"");
	refuse("--upload", UPLOAD ",fraction=1.5", "0 to 1");
	refuse("--upload", UPLOAD ",fraction=.5", "0 to 1");
	refuse("--upload", UPLOAD ",tenant=a\nb", "control characters");
	refuse("--upload", "type=pyroscope,url=http://h,ca-file=/x", "need an https url");
	refuse("--label", "a", "not NAME=VALUE");
	refuse("--label", "__name__=x", "not NAME=VALUE");
	refuse("--label", "1a=x", "not NAME=VALUE");
	refuse("--relabel", "action=keep,regex=(", "--relabel: regex=(");
	refuse("--max-series", "0", "not a number");
}

static void test_several_of_each(void)
{
	char *argv[] = { always[0],
			 always[1],
			 always[2],
			 "--upload",
			 UPLOAD ",name=a",
			 "--upload",
			 UPLOAD ",name=b",
			 "--label",
			 "env=prod",
			 "--label",
			 "team=x",
			 "--relabel",
			 "action=labeldrop,regex=node",
			 "--node",
			 "n1",
			 NULL };
	_cleanup_(options_deinitp) struct options o, twice;
	struct err err = ERR_NULL;

	CHECK_INT(options_parse(&o, ARRAY_SIZE(argv) - 1, argv, &err), 0);
	CHECK_INT(o.upload.nr_backends, 2);
	CHECK_STR(labels_get(&o.upload.labels, "team"), "x");
	CHECK(o.upload.relabel);
	CHECK_STR(o.upload.node, "n1");
	argv[6] = argv[4];
	CHECK_INT(options_parse(&twice, ARRAY_SIZE(argv) - 1, argv, &err), -EINVAL);
	CHECK(strstr(err.text, "two back ends are called \"a\""));
}

int main(void)
{
	RUN(test_a_back_end);
	RUN(test_cache);
	RUN(test_urls);
	RUN(test_what_is_refused);
	RUN(test_several_of_each);
	return 0;
}
