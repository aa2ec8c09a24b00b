/* One request: who asks, what for, and the answer. */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/text.h"
#include "agent/exporter/web_api.h"
#include "agent/exporter/web_internal.h"
#include "proto/gzip.h"

#include <errno.h>
#include <string.h>

#define GZIP_MIN 1024 /* bytes; below, the headers are more than what is saved */
#define GZIP_MAX (1u << 20) /* above, packing would hold the loop too long, and loopback is fast */
#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

struct header {
	const char *name, *value;
};

/* Of every answer: it is data, for this origin alone, and not to be kept. */
static const struct header common[] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
};

static const char *header_of(struct web_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static void add_headers(struct MHD_Response *response, const struct header *headers, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		MHD_add_response_header(response, headers[i].name, headers[i].value);
}

/* Sends a response, which is consumed. */
static enum MHD_Result queue(struct web_request *r, unsigned int status,
			     struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	add_headers(response, common, ARRAY_SIZE(common));
	if (status < ARRAY_SIZE(r->listener->web->counts.requests))
		r->listener->web->counts.requests[status]++;
	r->state = WEB_ANSWERED;
	web_extend(r, WEB_PHASE_ANSWER);
	result = MHD_queue_response(r->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* The bytes of b become the response's. */
static struct MHD_Response *response_of(struct buf *b)
{
	size_t len = b->len;
	char *data = buf_take(b);

	if (!data)
		return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
}

/* Packs b where the client takes it and it is worth it; true if it did. */
static bool pack(struct web_request *r, struct buf *b)
{
	_cleanup_(buf_deinitp) struct buf packed = BUF_NULL, old = BUF_NULL;

	if (b->len < GZIP_MIN || b->len > GZIP_MAX ||
	    !web_accepts_gzip(header_of(r, "Accept-Encoding")))
		return false;
	buf_init(&packed, GZIP_MAX);
	if (gzip_compress_level(GZIP_FAST, b->data, b->len, &packed) < 0)
		return false;
	old = *b;
	*b = packed;
	packed = BUF_NULL;
	return true;
}

/* Answers with the bytes of b, which are taken. */
static enum MHD_Result answer(struct web_request *r, unsigned int status, const char *type,
			      struct buf *b)
{
	static const struct header closed[] = {
		{ "Cache-Control", "no-store" },
		{ "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
		{ "Vary", "Accept-Encoding" },
	};
	bool packed = pack(r, b);
	struct MHD_Response *response = response_of(b);

	if (!response)
		return MHD_NO;
	add_headers(response, closed, ARRAY_SIZE(closed));
	MHD_add_response_header(response, "Content-Type", type);
	if (packed)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	if (status == MHD_HTTP_TOO_MANY_REQUESTS)
		MHD_add_response_header(response, "Retry-After", "1");
	return queue(r, status, response);
}

static enum MHD_Result refuse(struct web_request *r, unsigned int status, const char *why)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 8192);
	buf_adds(&b, "{\"error\":");
	text_for_json_in_script(&b, why);
	buf_adds(&b, "}\n");
	return answer(r, status, JSON, &b);
}

/* -- the page -- */

static enum MHD_Result send_page(struct web_request *r)
{
	struct web *web = r->listener->web;
	const char *known = header_of(r, "If-None-Match");
	bool packed = web_accepts_gzip(header_of(r, "Accept-Encoding"));
	const struct buf *b = packed ? &web->page_gzip : &web->page;
	bool fresh = known && !strcmp(known, web->etag);
	struct MHD_Response *response;

	response = MHD_create_response_from_buffer(fresh ? 0 : b->len, b->data,
						   MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "ETag", web->etag);
	MHD_add_response_header(response, "Cache-Control", "no-cache");
	MHD_add_response_header(response, "Vary", "Accept-Encoding");
	if (!fresh) {
		MHD_add_response_header(response, "Content-Type", "text/html; charset=utf-8");
		MHD_add_response_header(response, "Content-Security-Policy", web_page_policy);
		if (packed)
			MHD_add_response_header(response, "Content-Encoding", "gzip");
	}
	return queue(r, fresh ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

/* -- metrics and health -- */

static enum MHD_Result send_metrics(struct web_request *r)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 1u << 20);
	if (web_write_metrics(r->listener->web, &b) < 0)
		return refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot write the metrics");
	return answer(r, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &b);
}

static enum MHD_Result send_health(struct web_request *r, bool ready)
{
	const struct web_config *c = &r->listener->web->config;
	const char *why = ready && c->not_ready ? c->not_ready(c->userdata) : NULL;
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 1024);
	buf_addf(&b, "%s\n", why ?: "ok");
	return answer(r, why ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, TEXT, &b);
}

/* -- the API -- */

static const struct route {
	const char *name;
	enum web_query_kind kind;
	unsigned int may, must;
} routes[] = {
	{ "owners", WEB_QUERY_OWNERS, WEB_PARAM_RANGE | WEB_PARAM_POINTS, WEB_PARAM_RANGE },
	{ "series", WEB_QUERY_SERIES, WEB_PARAM_RANGE | WEB_PARAM_OWNER | WEB_PARAM_POINTS,
	  WEB_PARAM_RANGE },
	{ "flame", WEB_QUERY_FLAME,
	  WEB_PARAM_RANGE | WEB_PARAM_OWNER | WEB_PARAM_NODES | WEB_PARAM_BASE, WEB_PARAM_RANGE },
	{ "profile", WEB_QUERY_PROFILE, WEB_PARAM_RANGE | WEB_PARAM_OWNER | WEB_PARAM_FORMAT,
	  WEB_PARAM_RANGE | WEB_PARAM_FORMAT },
};

static enum MHD_Result send_status(struct web_request *r)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 1u << 20);
	if (web_write_status(r->listener->web, &b) < 0)
		return refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot read the store");
	return answer(r, MHD_HTTP_OK, JSON, &b);
}

static enum MHD_Result ask(struct web_request *r, const struct route *route, const char *query)
{
	struct web *web = r->listener->web;
	struct web_params params;
	struct err err = ERR_NULL;
	int e;

	if (web_params_parse(&params, query, route->may, route->must, &err) < 0)
		return refuse(r, MHD_HTTP_BAD_REQUEST, err.text);
	if (web->nr_queries >= WEB_QUERIES_MAX)
		return refuse(r, MHD_HTTP_TOO_MANY_REQUESTS,
			      "too many questions at the same time: try again in a second");
	e = web_query_new(&r->query, web->config.store, route->kind, &params);
	if (e < 0)
		return refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, err_str(e));
	web->counts.queries++;
	r->type = JSON;
	if (route->kind == WEB_QUERY_PROFILE)
		r->type = params.format == WEB_FORMAT_FOLDED ? TEXT : "application/octet-stream";
	web_extend(r, WEB_PHASE_QUERY);
	r->state = WEB_WAITING;
	MHD_suspend_connection(r->connection);
	web_enqueue(web, r);
	return MHD_YES;
}

static enum MHD_Result send_answer(struct web_request *r)
{
	switch (r->result) {
	case 0:
		break;
	case -ENOSPC:
		return refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, web_query_error(r->query));
	case -ETIMEDOUT:
		return refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			      "this took too long: choose a shorter range, or one owner");
	default:
		return refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, web_query_error(r->query));
	}
	return answer(r, MHD_HTTP_OK, r->type, web_query_answer(r->query));
}

static enum MHD_Result call_api(struct web_request *r, const char *name, const char *query)
{
	struct web *web = r->listener->web;

	if (!web_site_is_ours(header_of(r, "Sec-Fetch-Site")))
		return refuse(r, MHD_HTTP_FORBIDDEN, "asked by another site");
	if (!web_token_fits(header_of(r, MHD_HTTP_HEADER_AUTHORIZATION), web->token))
		return refuse(r, MHD_HTTP_UNAUTHORIZED,
			      "the token is missing or not this agent's: open the address that the "
			      "agent printed when it was started last");
	web_trust(r);
	web_watch(web);
	if (!strcmp(name, "status") && !query[0])
		return send_status(r);
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!strcmp(name, routes[i].name))
			return ask(r, &routes[i], query);
	}
	return refuse(r, MHD_HTTP_NOT_FOUND, "there is nothing of this name");
}

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* path is as it came: nothing in our names needs to be encoded, and what is, fits none of them. */
static enum MHD_Result route(struct web_request *r, const char *path, const char *query)
{
	const bool page = r->listener->door == WEB_PAGE;

	if (!strcmp(path, "/metrics"))
		return send_metrics(r);
	if (!strcmp(path, "/healthz"))
		return send_health(r, false);
	if (!strcmp(path, "/readyz"))
		return send_health(r, true);
	if (page && !strcmp(path, "/"))
		return send_page(r);
	if (page && starts_with(path, WEB_API_PREFIX))
		return call_api(r, path + strlen(WEB_API_PREFIX), query);
	return refuse(r, MHD_HTTP_NOT_FOUND, "there is nothing of this name");
}

static enum MHD_Result check_and_route(struct web_request *r, const char *method)
{
	const struct web *web = r->listener->web;
	const char *host = header_of(r, MHD_HTTP_HEADER_HOST);
	char *query;

	if (r->listener->door == WEB_PAGE && !web_host_is_ours(&web->hosts, host))
		return refuse(r, MHD_HTTP_FORBIDDEN,
			      "the Host header names none of this page's addresses (127.0.0.1, "
			      "localhost, [::1])");
	if (!web_origin_is_ours(header_of(r, "Origin"), host))
		return refuse(r, MHD_HTTP_FORBIDDEN, "asked by a page of another origin");
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	query = strchr(r->uri, '?');
	if (query)
		*query++ = '\0';
	return route(r, r->uri, query ?: "");
}

enum MHD_Result web_on_request(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **context)
{
	struct web_request *r = *context;

	if (!r || !r->uri)
		return MHD_NO; /* no memory */
	switch (r->state) {
	case WEB_HEAD:
		r->state = WEB_ASKED;
		web_extend(r, WEB_PHASE_ANSWER);
		return MHD_YES;
	case WEB_ASKED:
		if (*upload_size) { /* nothing here has a body: it is read and forgotten, until the deadline */
			*upload_size = 0;
			return MHD_YES;
		}
		return check_and_route(r, method);
	case WEB_ANSWERED:
		return r->query ? send_answer(r) : MHD_NO;
	case WEB_WAITING:
		break;
	}
	return MHD_YES;
}
