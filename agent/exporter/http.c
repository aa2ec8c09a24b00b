/* libcurl on our loop. */
#include "agent/exporter/http.h"
#include "agent/base/clock.h"

#include <errno.h>

#define CONNECT_TIMEOUT_MS 5000L
#define CONNECTIONS_MAX 16L

struct http {
	CURLM *multi;
	struct loop *loop;
	struct loop_source *timer;
};

int http_global_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

int http_error(CURLcode code)
{
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

const char *http_header(struct http_transfer *t, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value
										     : "";
}

static void leave(struct http_transfer *t)
{
	if (t->http)
		curl_multi_remove_handle(t->http->multi, t->easy);
	t->http = NULL;
}

/* Hands out what is finished; a callback may begin the next request, or free its transfer. */
static void reap(struct http *h)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = message->data.result;
		struct http_transfer *t;
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		t = (struct http_transfer *)private;
		leave(t);
		t->done(t, code);
	}
}

static int on_fd(struct loop_source *source, uint32_t events, void *userdata)
{
	struct http *h = userdata;
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
	struct http *h = userdata;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(h);
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
	struct http *h = userdata;
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
	struct http *h = userdata;
	uint64_t at = 0;

	if (timeout_ms >= 0)
		at = clock_boot_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC + 1;
	return loop_source_set_timer(h->timer, at, 0) < 0 ? -1 : 0;
}

int http_new(struct http **ret, struct loop *loop)
{
	_cleanup_(http_freep) struct http *h = calloc(1, sizeof(*h));
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

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	curl_multi_cleanup(h->multi);
	loop_source_free(h->timer);
	free(h);
	return NULL;
}

int http_transfer_init(struct http_transfer *t, const char *proxy)
{
	CURL *e = curl_easy_init();
	CURLcode r;

	t->http = NULL;
	t->easy = e;
	if (!e)
		return -ENOMEM;
	r = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	r = r ?: curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	r = r ?: curl_easy_setopt(e, CURLOPT_PROXY, proxy ?: "");
	r = r ?: curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	r = r ?: curl_easy_setopt(e, CURLOPT_USERAGENT, "fleetprof/" FLEETPROF_VERSION);
	r = r ?: curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	r = r ?: curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	r = r ?: curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	r = r ?: curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return http_error(r ?: curl_easy_setopt(e, CURLOPT_PRIVATE, t));
}

void http_transfer_deinit(struct http_transfer *t)
{
	leave(t);
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
}

int http_start(struct http *h, struct http_transfer *t)
{
	if (curl_multi_add_handle(h->multi, t->easy) != CURLM_OK)
		return -ENOMEM;
	t->http = h;
	return 0;
}
