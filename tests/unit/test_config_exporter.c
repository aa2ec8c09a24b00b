/* The settings as the exporter's command line: it reads what was set, and has the same defaults. */
#include "agent/base/clock.h"
#include "agent/core/config_internal.h"
#include "agent/exporter/options.h"
#include "tests/test.h"

/* As the agent loads them from a file of this text. */
static struct config *settings(const char *text)
{
	char path[] = "/tmp/test_config-XXXXXX", option[64];
	char *args[] = { "agent", option };
	struct config *c = NULL;
	struct err e = ERR_NULL;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	snprintf(option, sizeof(option), "--config=%s", path);
	config_load(&c, 2, args, NULL, &e);
	unlink(path);
	CHECK_STR(e.text, "");
	CHECK(c);
	return c;
}

static struct config *example_of_uploads(void)
{
	static const char text[] =
		"state_dir: /s\n"
		"node: n1\n"
		"store: {max_bytes: 1GiB, max_age: 1h, max_share: 0%, min_free: 3%}\n"
		"user: {exporter: '7:8'}\n"
		"log: {level: debug}\n"
		"max_series: 9\n"
		"web: {listen: '[::1]:99', hosts: [a, b], metrics_listen: '0.0.0.0:98'}\n"
		"upload:\n"
		"  - url: https://a.example:444/x,y\n"
		"    tenant: t,=u\n"
		"    basic: {user: u, password_file: /p}\n"
		"    tls: {ca: /ca, cert: /cert, key: /key}\n"
		"    headers: {X-A: 'b, c', X-B: d}\n"
		"    headers_file: /h\n"
		"    rate_bytes: 64KiB\n"
		"    rate_requests: 5\n"
		"    timeout: 9s\n"
		"    max_age: 30m\n"
		"    fraction: 0.25\n"
		"  - {url: 'http://b:4040', name: second, token_file: /t, proxy: 'http://p:3128'}\n"
		"labels: {region: 'eu,=west', cluster: blue}\n"
		"relabel:\n"
		"  - {action: drop, source_labels: [a, b], separator: ',', regex: 'x,y|z'}\n"
		"  - {source_labels: [a], target_label: service_name, replacement: ''}\n"
		"  - {action: hashmod, source_labels: [a], target_label: m, modulus: 8}\n";

	return settings(text);
}

static int parse_as_exporter(char **argv, struct options *ret, struct err *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return options_parse(ret, argc, argv, err);
}

/* What the exporter reads is what was set, whatever commas and signs are in it. */
static void test_exporter_argv(void)
{
	_cleanup_(config_freep) struct config *c = example_of_uploads();
	_cleanup_(options_deinitp) struct options o;
	_cleanup_(config_argv_freep) char **argv = NULL;
	struct err e = ERR_NULL;
	int r;

	CHECK_INT(config_exporter_argv(c, "fleetprof-exporter", &argv), 0);
	CHECK_STR(argv[0], "fleetprof-exporter");
	r = parse_as_exporter(argv, &o, &e);
	CHECK_STR(e.text, "");
	CHECK_INT(r, 0);
	CHECK_STR(o.store.dir, "/s/store");
	CHECK_INT(o.store.max_bytes, 1 << 30);
	CHECK_INT(o.store.max_age_ns, 3600 * NSEC_PER_SEC);
	CHECK_INT(o.store.max_share_percent, 0);
	CHECK_INT(o.store.min_free_percent, 3);
	CHECK_INT(o.uid, 7);
	CHECK_INT(o.gid, 8);
	CHECK_INT(o.log_level, LOG_LEVEL_DEBUG);
	CHECK_STR(o.upload.node, "n1");
	CHECK_INT(o.upload.max_series, 9);
	CHECK_STR(o.web.listen, "[::1]:99");
	CHECK_INT(o.web.nr_hosts, 2);
	CHECK_STR(o.web.hosts[1], "b");
	CHECK_STR(o.web.metrics_listen, "0.0.0.0:98");
	CHECK_STR(labels_get(&o.upload.labels, "region"), "eu,=west");
	CHECK_INT(o.upload.labels.nr, 2);
	CHECK(o.upload.relabel);
}

static void test_exporter_backends(void)
{
	_cleanup_(config_freep) struct config *c = example_of_uploads();
	_cleanup_(options_deinitp) struct options o;
	_cleanup_(config_argv_freep) char **argv = NULL;
	const struct upload_config *u = o.upload.backends;
	struct err e = ERR_NULL;

	CHECK_INT(config_exporter_argv(c, "fleetprof-exporter", &argv), 0);
	CHECK_INT(parse_as_exporter(argv, &o, &e), 0);
	CHECK_INT(o.upload.nr_backends, 2);
	CHECK_STR(u->url, "https://a.example:444/x,y");
	CHECK_STR(u->tenant, "t,=u");
	CHECK_STR(u->username, "u");
	CHECK_STR(u->password_file, "/p");
	CHECK_STR(u->ca_file, "/ca");
	CHECK_STR(u->cert_file, "/cert");
	CHECK_STR(u->key_file, "/key");
	CHECK_STR(u->header_file, "/h");
	CHECK_INT(u->nr_headers, 2);
	CHECK_STR(u->headers[0], "X-A: b, c");
	CHECK_INT(u->bytes_per_s, 65536);
	CHECK_INT(u->requests_per_s, 5);
	CHECK_INT(u->timeout_ns, 9 * NSEC_PER_SEC);
	CHECK_INT(u->max_age_ns, 1800 * NSEC_PER_SEC);
	CHECK_INT(u->fraction_ppm, 250000);
	CHECK_STR(u[1].name, "second");
	CHECK_STR(u[1].token_file, "/t");
	CHECK_STR(u[1].proxy, "http://p:3128");
	CHECK(!u[1].username && !u[1].tenant);
}

/* The defaults of both sides are the same, and what can be set at most fits into the exporter's. */
static void test_exporter_defaults(void)
{
	_cleanup_(config_freep) struct config *c = settings("upload: http://a\n");
	_cleanup_(options_deinitp) struct options o, p;
	_cleanup_(config_argv_freep) char **argv = NULL;
	char *bare[] = { "x",        "--store",      "/var/lib/fleetprof/store",
			 "--upload", "url=http://a", NULL };
	struct err e = ERR_NULL;

	CHECK_INT(config_exporter_argv(c, "x", &argv), 0);
	CHECK_INT(parse_as_exporter(argv, &o, &e), 0);
	CHECK_INT(options_parse(&p, 5, bare, &e), 0);
	CHECK_INT(o.store.max_bytes, p.store.max_bytes);
	CHECK_INT(o.store.max_age_ns, p.store.max_age_ns);
	CHECK_INT(o.store.max_share_percent, p.store.max_share_percent);
	CHECK_INT(o.store.min_free_percent, p.store.min_free_percent);
	CHECK_INT(o.upload.max_series, p.upload.max_series);
	CHECK_INT(o.upload.backends[0].max_age_ns, p.upload.backends[0].max_age_ns);
	CHECK_INT(o.upload.backends[0].timeout_ns, p.upload.backends[0].timeout_ns);
	CHECK_INT(o.upload.backends[0].bytes_per_s, p.upload.backends[0].bytes_per_s);
	CHECK_INT(o.upload.backends[0].requests_per_s, p.upload.backends[0].requests_per_s);
	CHECK_INT(o.upload.backends[0].fraction_ppm, p.upload.backends[0].fraction_ppm);
	CHECK_STR(o.web.listen, "127.0.0.1:4344");
	CHECK(!o.web.metrics_listen);
	CHECK_INT(config_table.rows[config_find(&config_table, "web.hosts")].max, WEB_HOSTS_MAX);
	CHECK_INT(config_table.rows[config_find(&config_table, "labels")].max, OPTIONS_MAX_LABELS);
	CHECK_INT(config_table.rows[config_find(&config_table, "upload")].max, UPLOAD_MAX_BACKENDS);
	CHECK_INT(config_table.rows[config_find(&config_table, "relabel")].max, RELABEL_MAX_RULES);
}

int main(void)
{
	RUN(test_exporter_argv);
	RUN(test_exporter_backends);
	RUN(test_exporter_defaults);
	return 0;
}
