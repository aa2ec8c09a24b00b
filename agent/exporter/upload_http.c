/* HTTP for uploads: libcurl on our loop. */
#include "agent/exporter/upload_http.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define PUSH_PATH "/push.v1.PusherService/Push"
#define CONNECT_TIMEOUT_MS 5000L
#define URL_MAX 8192
#define CONNECTIONS_MAX 16L

struct uploadhttp {
	CURLM *multi;
	struct loop *loop;
	struct loop_source *timer;
};

struct uploadhttp_peer {
	struct uploadhttp *http;
	CURL *easy;
	struct curl_slist *headers;
	const struct upload_config *config;
	struct uploadhttp_secrets *secrets;
	struct buf reply;
	bool busy;
	uploadhttp_done_fn done;
	void *userdata;
};

int uploadhttp_global_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

/* The calls by which libcurl says no: out of memory, or a build that lacks what we ask for. */
static int set_error(CURLcode code)
{
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

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

static const char *header_of(CURL *easy, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : "";
}

static void finish(struct uploadhttp_peer *peer, CURLcode code)
{
	struct uploadanswer answer;
	long status = 0;

	curl_multi_remove_handle(peer->http->multi, peer->easy);
	peer->busy = false;
	if (code == CURLE_OK) {
		curl_easy_getinfo(peer->easy, CURLINFO_RESPONSE_CODE, &status);
		uploadanswer_classify(&answer, status, header_of(peer->easy, "content-type"),
				      header_of(peer->easy, "retry-after"), peer->reply.data,
				      peer->reply.len, (int64_t)(clock_wall_ns() / NSEC_PER_SEC));
	} else {
		classify_failure(&answer, peer->easy, code);
	}
	peer->done(&answer, peer->userdata);
}

/* Hands out what is finished; a callback may begin the next request, or free its peer. */
static void reap(struct uploadhttp *h)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = message->data.result;
		char *peer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &peer);
		finish((struct uploadhttp_peer *)peer, code);
	}
}

static int on_fd(struct loop_source *source, uint32_t events, void *userdata)
{
	struct uploadhttp *h = userdata;
	int mask = 0, running;

	/* which descriptor it was is of no matter: libcurl finds out, with the few that we have */
	mask |= events & EPOLLIN ? CURL_CSELECT_IN : 0;
	mask |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	mask |= events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
	curl_multi_socket_action(h->multi, loop_source_fd(source), mask, &running);
	reap(h);
	return 0;
}

static int on_timer(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct uploadhttp *h = userdata;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(h);
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
	struct uploadhttp *h = userdata;
	struct loop_source *source = socketp;
	uint32_t events = 0;
	int r;

	if (what == CURL_POLL_REMOVE) {
		loop_source_free(source);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	events |= what & CURL_POLL_IN ? EPOLLIN : 0;
	events |= what & CURL_POLL_OUT ? EPOLLOUT : 0;
	if (source)
		return loop_source_set_events(source, events);
	r = loop_add_fd(h->loop, &source, fd, events, on_fd, h);
	if (r < 0)
		return -1;
	curl_multi_assign(h->multi, fd, source);
	return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct uploadhttp *h = userdata;
	uint64_t at = 0;

	if (timeout_ms >= 0)
		at = clock_boot_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC + 1;
	return loop_source_set_timer(h->timer, at, 0) < 0 ? -1 : 0;
}

int uploadhttp_new(struct uploadhttp **ret, struct loop *loop)
{
	_cleanup_(uploadhttp_freep) struct uploadhttp *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->multi = curl_multi_init();
	if (!h->multi)
		return -ENOMEM;
	r = loop_add_timer(loop, &h->timer, 0, 0, on_timer, h);
	if (r < 0)
		return r;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
	*ret = TAKE_PTR(h);
	return 0;
}

struct uploadhttp *uploadhttp_free(struct uploadhttp *h)
{
	if (!h)
		return NULL;
	curl_multi_cleanup(h->multi);
	loop_source_free(h->timer);
	free(h);
	return NULL;
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
	CURL *e = peer->easy;
	CURLcode r;

	snprintf(url, sizeof(url), "%s" PUSH_PATH, c->url);
	r = curl_easy_setopt(e, CURLOPT_URL, url);
	r = r ?: curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	r = r ?: curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	r = r ?: curl_easy_setopt(e, CURLOPT_PROXY, c->proxy ?: "");
	r = r ?: curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	r = r ?: curl_easy_setopt(e, CURLOPT_POST, 1L);
	r = r ?: curl_easy_setopt(e, CURLOPT_USERAGENT, "fleetprof/" FLEETPROF_VERSION);
	r = r ?: curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	r = r ?: curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	r = r ?: curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(c->timeout_ns / NSEC_PER_MSEC));
	r = r ?: curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	r = r ?: curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	r = r ?: curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_reply);
	r = r ?: curl_easy_setopt(e, CURLOPT_WRITEDATA, &peer->reply);
	return set_error(r ?: curl_easy_setopt(e, CURLOPT_PRIVATE, peer));
}

int uploadhttp_peer_new(struct uploadhttp_peer **ret, struct uploadhttp *h,
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
	buf_init(&peer->reply, UPLOADANSWER_BODY_MAX);
	peer->easy = curl_easy_init();
	r = peer->easy ? set_once(peer) : -ENOMEM;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(peer);
	return 0;
}

struct uploadhttp_peer *uploadhttp_peer_free(struct uploadhttp_peer *peer)
{
	if (!peer)
		return NULL;
	if (peer->busy)
		curl_multi_remove_handle(peer->http->multi, peer->easy);
	curl_easy_cleanup(peer->easy);
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
	return r ?: set_error(curl_easy_setopt(peer->easy, CURLOPT_HTTPHEADER, peer->headers));
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
	CURL *e = peer->easy;
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
	return set_error(r ?: set_blob(e, CURLOPT_SSLKEY_BLOB, &s->key));
}

int uploadhttp_post(struct uploadhttp_peer *peer, const void *body, size_t len)
{
	int r = set_secrets(peer);

	r = r ?: set_headers(peer);
	r = r ?: set_error(curl_easy_setopt(peer->easy, CURLOPT_POSTFIELDS, body));
	r = r
		    ?: set_error(curl_easy_setopt(peer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
						  (curl_off_t)len));
	if (r < 0)
		return r;
	buf_reset(&peer->reply);
	if (curl_multi_add_handle(peer->http->multi, peer->easy) != CURLM_OK)
		return -ENOMEM;
	peer->busy = true;
	return 0;
}
