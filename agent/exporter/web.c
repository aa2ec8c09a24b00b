/* The HTTP server: listeners, connections and their bounds, and the queries' turns on the loop. */
#include "agent/exporter/web.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/exporter/web_internal.h"
#include "agent/exporter/web_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define RETRY_NS (30 * NSEC_PER_SEC) /* while another program has the port */
#define SWEEP_NS NSEC_PER_SEC
#define HEAD_NS (10 * NSEC_PER_SEC) /* to send a request's head, from the connection's begin on */
#define QUERY_NS (120 * NSEC_PER_SEC) /* for an answer to be made */
#define SEND_NS (60 * NSEC_PER_SEC) /* for it to be read */
#define IDLE_NS                                                                                    \
	(75 * NSEC_PER_SEC) /* between requests of a kept connection: a page that refreshes stays */
#define STEP_NS (4 * NSEC_PER_MSEC) /* of a query, before everybody else has a turn */

/* Lets MHD work on what the sockets brought. */
static int pump(struct web_listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(l->daemon);
	/* what it left for later it must be asked for: it has no timeouts of its own here */
	if (MHD_get_timeout(l->daemon, &ms) == MHD_YES)
		return loop_source_set_timer(l->web->pump, clock_boot_ns() + ms * NSEC_PER_MSEC + 1,
					     0);
	return 0;
}

static int pump_all(struct web *web)
{
	int r = 0;

	for (size_t i = 0; i < WEB_DOORS && r == 0; i++) {
		if (web->listeners[i].daemon)
			r = pump(&web->listeners[i]);
	}
	return r;
}

static int on_pump(struct loop_source *source, uint64_t missed, void *userdata)
{
	return pump_all(userdata);
}

static int on_readable(struct loop_source *source, uint32_t events, void *userdata)
{
	return pump(userdata);
}

/* -- connections -- */

static void unlink_client(struct web *web, struct web_client *c)
{
	*(c->prev ? &c->prev->next : &web->first_client) = c->next;
	*(c->next ? &c->next->prev : &web->last_client) = c->prev;
	web->nr_clients--;
}

/* MHD finds the connection closed and forgets it; a suspended one once its query ends. */
static void cut_off(struct web *web, struct web_client *c)
{
	shutdown(c->fd, SHUT_RDWR);
	c->deadline_ns = UINT64_MAX;
	web->counts.cut++;
}

/* Makes room for one more: the oldest of those that have not shown the token. */
static void make_room(struct web *web)
{
	struct web_client *c = web->first_client;

	while (c && (c->trusted || c->deadline_ns == UINT64_MAX))
		c = c->next;
	if (c)
		cut_off(web, c);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct web_listener *l = cls;
	struct web *web = l->web;
	struct web_client *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c) {
			unlink_client(web, c);
			free(c);
		}
		return;
	}
	web->counts.connections++;
	c = calloc(1, sizeof(*c));
	if (!c)
		return; /* without a deadline; the limit of connections still holds */
	c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	c->deadline_ns = clock_mono_ns() + HEAD_NS;
	c->prev = web->last_client;
	*(c->prev ? &c->prev->next : &web->first_client) = c;
	web->last_client = c;
	if (!web->nr_clients++)
		loop_source_set_timer(web->sweep, clock_boot_ns() + SWEEP_NS, 0);
	if (web->nr_clients > WEB_CONNECTIONS_MAX)
		make_room(web);
	*context = c;
}

static struct web_client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

void web_extend(struct web_request *request, enum web_phase phase)
{
	static const uint64_t lengths[] = {
		[WEB_PHASE_ANSWER] = SEND_NS,
		[WEB_PHASE_QUERY] = QUERY_NS + SEND_NS,
		[WEB_PHASE_IDLE] = IDLE_NS,
	};
	struct web_client *c = client_of(request->connection);

	if (c && c->deadline_ns != UINT64_MAX)
		c->deadline_ns = clock_mono_ns() + lengths[phase];
}

void web_trust(struct web_request *request)
{
	struct web_client *c = client_of(request->connection);

	if (c)
		c->trusted = true;
}

static void stop_watching(struct web *web, uint64_t now)
{
	if (!web->watched || now < web->watch_end_ns)
		return;
	web->watched = false;
	if (web->config.on_watch)
		web->config.on_watch(false, web->config.userdata);
}

void web_watch(struct web *web)
{
	web->watch_end_ns = clock_mono_ns() + WEB_WATCH_NS;
	if (web->watched)
		return;
	web->watched = true;
	if (web->config.on_watch)
		web->config.on_watch(true, web->config.userdata);
}

/* Every second while anybody is connected or watches; an idle server wakes nobody. */
static int on_sweep(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct web *web = userdata;
	uint64_t now = clock_mono_ns();

	for (struct web_client *c = web->first_client; c; c = c->next) {
		if (c->deadline_ns < now)
			cut_off(web, c);
	}
	stop_watching(web, now);
	if (!web->nr_clients && !web->watched)
		return 0;
	return loop_source_set_timer(source, clock_boot_ns() + SWEEP_NS, 0);
}

/* -- queries -- */

static int wake_worker(struct web *web)
{
	return loop_source_set_timer(web->work, 1, 0); /* long ago: in the next round */
}

void web_enqueue(struct web *web, struct web_request *request)
{
	request->deadline_ns = clock_mono_ns() + QUERY_NS;
	request->next = NULL;
	request->prev = web->last_query;
	*(request->prev ? &request->prev->next : &web->first_query) = request;
	web->last_query = request;
	web->nr_queries++;
	wake_worker(web);
}

static void unlink_query(struct web *web, struct web_request *request)
{
	*(request->prev ? &request->prev->next : &web->first_query) = request->next;
	*(request->next ? &request->next->prev : &web->last_query) = request->prev;
	web->nr_queries--;
}

void web_dequeue(struct web *web, struct web_request *request)
{
	unlink_query(web, request);
	if (request->started && web_query_is_heavy(request->query))
		web->nr_heavy--;
}

/* The next whose turn it is; a heavy one begins only when there is room for it. */
static struct web_request *next_query(struct web *web)
{
	struct web_request *request = web->first_query;

	for (; request; request = request->next) {
		bool heavy = web_query_is_heavy(request->query);

		if (request->started || !heavy || web->nr_heavy < WEB_HEAVY_MAX)
			break;
	}
	if (request && !request->started) {
		request->started = true;
		web->nr_heavy += web_query_is_heavy(request->query);
	}
	return request;
}

/* A suspended connection is not looked at by MHD: whether its client is still there we must find out. */
static bool went_away(struct web_request *request)
{
	struct web_client *c = client_of(request->connection);
	char byte;

	return c && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int finish(struct web *web, struct web_request *request, int result)
{
	web_dequeue(web, request);
	request->result = result;
	request->state = WEB_ANSWERED;
	MHD_resume_connection(request->connection);
	return pump(request->listener);
}

static int on_work(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct web *web = userdata;
	struct web_request *request = next_query(web);
	uint64_t start = clock_mono_ns();
	int r;

	if (!request)
		return 0;
	r = web_query_step(request->query, start + STEP_NS);
	web->counts.step_max_ns = MAX(web->counts.step_max_ns, clock_mono_ns() - start);
	if (r > 0 && went_away(request)) {
		web->counts.cancelled++;
		r = -ECONNRESET;
	} else if (r > 0 && start > request->deadline_ns) {
		r = -ETIMEDOUT;
	}
	if (r > 0) { /* behind the others */
		unlink_query(web, request);
		request->next = NULL;
		request->prev = web->last_query;
		*(request->prev ? &request->prev->next : &web->first_query) = request;
		web->last_query = request;
		web->nr_queries++;
	} else {
		r = finish(web, request, r);
		if (r < 0)
			return r;
	}
	return web->first_query ? wake_worker(web) : 0;
}

/* -- requests' lives -- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct web_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->listener = cls;
	request->connection = connection;
	request->uri = strdup(uri);
	return request;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct web_listener *l = cls;
	struct web_request *request = *context;

	if (!request)
		return;
	if (request->state == WEB_WAITING)
		web_dequeue(l->web, request);
	web_extend(request, WEB_PHASE_IDLE);
	web_query_free(request->query);
	free(request->uri);
	free(request);
	*context = NULL;
}

/* -- listening -- */

static int start_daemon(struct web_listener *l, struct err *err)
{
	const union MHD_DaemonInfo *info;

	l->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, web_on_request, l,
		MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT,
		WEB_CONNECTIONS_MAX + 32u, /* room for those that are being cut off */
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WEB_CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, 0u, /* deadlines are ours, see on_sweep() */
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_uri, l,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, l, MHD_OPTION_END);
	if (!l->daemon)
		return err_set(err, -EIO, "cannot start the HTTP server on %s", l->address);
	l->fd = -1; /* MHD's now */
	info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return err_set(err, -EIO, "the HTTP server has no epoll descriptor");
	return loop_add_fd(l->web->loop, &l->source, info->epoll_fd, EPOLLIN, on_readable, l);
}

static void close_listener(struct web_listener *l)
{
	l->source = loop_source_free(l->source);
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	l->daemon = NULL;
	l->fd = close_fd(l->fd);
	l->address[0] = '\0';
}

static const char *wish_of(const struct web_listener *l)
{
	return l->door == WEB_PAGE ? l->web->config.listen : l->web->config.metrics_listen;
}

/* True if it listens, or is not meant to. */
static bool open_listener(struct web_listener *l)
{
	struct err err = ERR_NULL;
	int r;

	if (l->daemon || !wish_of(l))
		return true;
	r = web_listen(wish_of(l), &l->fd, l->address, sizeof(l->address), &err);
	r = r ?: start_daemon(l, &err);
	if (r == 0)
		return true;
	close_listener(l);
	if (!l->complained)
		log_error("%s; trying again every %llu s", err.text, RETRY_NS / NSEC_PER_SEC);
	l->complained = true;
	return false;
}

static int on_retry(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct web *web = userdata;
	bool had_page = web->listeners[WEB_PAGE].daemon, all = true;

	for (size_t i = 0; i < WEB_DOORS; i++)
		all = open_listener(&web->listeners[i]) && all;
	if (!had_page && web->listeners[WEB_PAGE].daemon) {
		log_info("the page listens on %s now", web->listeners[WEB_PAGE].address);
		if (web->config.on_address)
			web->config.on_address(web->listeners[WEB_PAGE].address,
					       web->config.userdata);
	}
	return all ? 0 : loop_source_set_timer(source, clock_boot_ns() + RETRY_NS, 0);
}

const char *web_start(struct web *web, const char *token)
{
	bool all = true;

	snprintf(web->token, sizeof(web->token), "%s", token);
	for (size_t i = 0; i < WEB_DOORS; i++)
		all = open_listener(&web->listeners[i]) && all;
	if (!all)
		loop_source_set_timer(web->retry, clock_boot_ns() + RETRY_NS, 0);
	return token[0] ? web->listeners[WEB_PAGE].address : "";
}

int web_new(struct web **ret, struct loop *loop, const struct web_config *config)
{
	_cleanup_(web_freep) struct web *web = calloc(1, sizeof(*web));
	struct err err = ERR_NULL;
	bool loopback = true;
	int r;

	if (!web)
		return -ENOMEM;
	web->config = *config;
	web->loop = loop;
	for (size_t i = 0; i < WEB_DOORS; i++)
		web->listeners[i] =
			(struct web_listener) { .web = web, .door = (enum web_door)i, .fd = -1 };
	if (config->listen && web_listen_check(config->listen, &loopback, &err) < 0)
		return -EINVAL; /* the options were checked */
	web->hosts.any_address = !loopback;
	for (; web->hosts.nr_names < MIN(config->nr_hosts, (size_t)WEB_HOSTS_MAX);
	     web->hosts.nr_names++)
		web->hosts.names[web->hosts.nr_names] = config->hosts[web->hosts.nr_names];
	r = loop_add_timer(loop, &web->pump, 0, 0, on_pump, web);
	r = r ?: loop_add_timer(loop, &web->work, 0, 0, on_work, web);
	r = r ?: loop_add_timer(loop, &web->sweep, 0, 0, on_sweep, web);
	r = r ?: loop_add_timer(loop, &web->retry, 0, 0, on_retry, web);
	r = r ?: web_make_page(web);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(web);
	return 0;
}

struct web *web_free(struct web *web)
{
	if (!web)
		return NULL;
	while (web->first_query) { /* MHD wants no connection suspended at its end */
		struct web_request *request = web->first_query;

		web_dequeue(web, request);
		request->result = -ECONNRESET;
		request->state = WEB_ANSWERED;
		MHD_resume_connection(request->connection);
	}
	for (size_t i = 0; i < WEB_DOORS; i++)
		close_listener(&web->listeners[i]);
	loop_source_free(web->pump);
	loop_source_free(web->work);
	loop_source_free(web->sweep);
	loop_source_free(web->retry);
	buf_deinit(&web->page);
	buf_deinit(&web->page_gzip);
	free(web);
	return NULL;
}
