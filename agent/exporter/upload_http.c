/* HTTP for uploads. */
#include "agent/exporter/upload_http.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"

#include <errno.h>
#include <string.h>

#define PUSH_PATH "/push.v1.PusherService/Push"
#define URL_MAX 8192

struct uploadhttp_peer {
	struct http *http;
	struct http_transfer transfer;
	struct curl_slist *headers;
	const struct upload_config *config;
	struct uploadhttp_secrets *secrets;
	struct buf reply;
	uploadhttp_done_fn done;
	void *userdata;
};

static void classify_failure(struct uploadanswer *a, CURL *easy, CURLcode code)
{
	curl_off_t sent = 0;

	curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	*a = (struct uploadanswer) { .class = UPLOADANSWER_RETRY };
	/* a server that a profile kills looks like this, and so does a network that is cut */
	if (sent > 0)
		a->class = UPLOADANSWER_SUSPECT;
	if (code == CURLE_WRITE_ERROR || code == CURLE_WEIRD_SERVER_REPLY ||
	    code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_HTTP2)
		a->class = UPLOADANSWER_NO_BACKEND;
	snprintf(a->message, sizeof(a->message), "%s", curl_easy_strerror(code));
}

static void on_done(struct http_transfer *t, CURLcode code)
{
	struct uploadhttp_peer *peer = container_of(t, struct uploadhttp_peer, transfer);
	struct uploadanswer answer;
	long status = 0;

	if (code == CURLE_OK) {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		uploadanswer_classify(&answer, status, http_header(t, "content-type"),
				      http_header(t, "retry-after"), peer->reply.data,
				      peer->reply.len, (int64_t)(clock_wall_ns() / NSEC_PER_SEC));
	} else {
		classify_failure(&answer, t->easy, code);
	}
	peer->done(&answer, peer->userdata);
}

int uploadhttp_secrets_load(struct uploadhttp_secrets *s, const struct upload_config *c,
			    struct err *err)
{
	int r = uploadsecret_load(&s->password, c->password_file, err);

	r = uploadsecret_load(&s->token, c->token_file, err) ?: r;
	r = uploadsecret_load(&s->headers, c->header_file, err) ?: r;
	r = uploadsecret_load(&s->ca, c->ca_file, err) ?: r;
	r = uploadsecret_load(&s->cert, c->cert_file, err) ?: r;
	return uploadsecret_load(&s->key, c->key_file, err) ?: r;
}

void uploadhttp_secrets_deinit(struct uploadhttp_secrets *s)
{
	uploadsecret_deinit(&s->password);
	uploadsecret_deinit(&s->token);
	uploadsecret_deinit(&s->headers);
	uploadsecret_deinit(&s->ca);
	uploadsecret_deinit(&s->cert);
	uploadsecret_deinit(&s->key);
}

static size_t on_reply(char *data, size_t size, size_t nr, void *userdata)
{
	struct buf *reply = userdata;

	/* an error message is short; whoever says more than that is cut off */
	return buf_add(reply, data, size * nr) < 0 ? 0 : size * nr;
}

static int set_once(struct uploadhttp_peer *peer)
{
	const struct upload_config *c = peer->config;
	char url[URL_MAX];
	CURL *e = peer->transfer.easy;
	CURLcode r;

	snprintf(url, sizeof(url), "%s" PUSH_PATH, c->url);
	r = curl_easy_setopt(e, CURLOPT_URL, url);
	r = r ?: curl_easy_setopt(e, CURLOPT_POST, 1L);
	r = r ?: curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(c->timeout_ns / NSEC_PER_MSEC));
	r = r ?: curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_reply);
	return http_error(r ?: curl_easy_setopt(e, CURLOPT_WRITEDATA, &peer->reply));
}

int uploadhttp_peer_new(struct uploadhttp_peer **ret, struct http *h,
			const struct upload_config *config, struct uploadhttp_secrets *secrets,
			uploadhttp_done_fn done, void *userdata)
{
	_cleanup_(uploadhttp_peer_freep) struct uploadhttp_peer *peer = calloc(1, sizeof(*peer));
	int r;

	if (!peer)
		return -ENOMEM;
	*peer = (struct uploadhttp_peer) {
		.http = h, .config = config, .secrets = secrets, .done = done, .userdata = userdata
	};
	peer->transfer.done = on_done;
	buf_init(&peer->reply, UPLOADANSWER_BODY_MAX);
	r = http_transfer_init(&peer->transfer, config->proxy);
	r = r ?: set_once(peer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(peer);
	return 0;
}

struct uploadhttp_peer *uploadhttp_peer_free(struct uploadhttp_peer *peer)
{
	if (!peer)
		return NULL;
	http_transfer_deinit(&peer->transfer);
	curl_slist_free_all(peer->headers);
	buf_deinit(&peer->reply);
	free(peer);
	return NULL;
}

static int add_header(struct uploadhttp_peer *peer, const char *line)
{
	struct curl_slist *list = curl_slist_append(peer->headers, line);

	if (!list)
		return -ENOMEM;
	peer->headers = list;
	return 0;
}

/* Those of the secret file; what is no header is left out rather than let through. */
static int add_secret_headers(struct uploadhttp_peer *peer)
{
	_cleanup_(freep) char *copy = NULL;
	char *rest, *line;
	int r = 0;

	if (!peer->secrets->headers.data.len)
		return 0;
	copy = strdup(peer->secrets->headers.data.data);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while (r == 0 && (line = strsep(&rest, "\r\n"))) {
		if (upload_config_is_header(line))
			r = add_header(peer, line);
	}
	explicit_bzero(copy, peer->secrets->headers.data.len);
	return r;
}

static int set_headers(struct uploadhttp_peer *peer)
{
	const struct upload_config *c = peer->config;
	char tenant[512];
	int r;

	curl_slist_free_all(peer->headers);
	peer->headers = NULL;
	r = add_header(peer, "Content-Type: application/proto");
	r = r ?: add_header(peer, "Connect-Protocol-Version: 1");
	r = r ?: add_header(peer, "Expect:"); /* no waiting for a "100 Continue" */
	if (c->tenant) {
		snprintf(tenant, sizeof(tenant), "X-Scope-OrgID: %s", c->tenant);
		r = r ?: add_header(peer, tenant);
	}
	for (size_t i = 0; i < c->nr_headers && r == 0; i++)
		r = add_header(peer, c->headers[i]);
	r = r ?: add_secret_headers(peer);
	return r
		       ?: http_error(curl_easy_setopt(peer->transfer.easy, CURLOPT_HTTPHEADER,
						      peer->headers));
}

static CURLcode set_blob(CURL *e, CURLoption option, const struct uploadsecret *s)
{
	struct curl_blob blob = { .data = s->data.data,
				  .len = s->data.len,
				  .flags = CURL_BLOB_COPY };

	return s->path ? curl_easy_setopt(e, option, &blob) : CURLE_OK;
}

static int set_secrets(struct uploadhttp_peer *peer)
{
	struct uploadhttp_secrets *s = peer->secrets;
	struct uploadsecret *const all[] = { &s->password, &s->token, &s->headers,
					     &s->ca,       &s->cert,  &s->key };
	CURL *e = peer->transfer.easy;
	CURLcode r = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		uploadsecret_refresh(all[i]);
	if (s->password.path) {
		r = curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		r = r ?: curl_easy_setopt(e, CURLOPT_USERNAME, peer->config->username);
		r = r ?: curl_easy_setopt(e, CURLOPT_PASSWORD, s->password.data.data);
	}
	if (s->token.path) {
		r = r ?: curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		r = r ?: curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, s->token.data.data);
	}
	r = r ?: set_blob(e, CURLOPT_CAINFO_BLOB, &s->ca);
	r = r ?: set_blob(e, CURLOPT_SSLCERT_BLOB, &s->cert);
	return http_error(r ?: set_blob(e, CURLOPT_SSLKEY_BLOB, &s->key));
}

int uploadhttp_post(struct uploadhttp_peer *peer, const void *body, size_t len)
{
	int r = set_secrets(peer);

	r = r ?: set_headers(peer);
	r = r ?: http_error(curl_easy_setopt(peer->transfer.easy, CURLOPT_POSTFIELDS, body));
	r = r
		    ?: http_error(curl_easy_setopt(peer->transfer.easy, CURLOPT_POSTFIELDSIZE_LARGE,
						   (curl_off_t)len));
	if (r < 0)
		return r;
	buf_reset(&peer->reply);
	return http_start(peer->http, &peer->transfer);
}
