/* Uploads: one state machine per back end. */
#include "agent/exporter/upload.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/exporter/upload_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define STORE_RETRY_NS (5 * NSEC_PER_SEC)
#define PART_MIN_BYTES (64u << 10)
#define SLOW_DOWNS_MAX 5 /* in a row: then it may be the size, which no waiting cures */
#define SUSPECT_TRIES_MAX 3
#define GROWTH 64 /* of the parts, per success: a 64th */
#define WINDOW_FIRST_NS (60 * NSEC_PER_SEC) /* until the first one tells */

static void arm(struct upload_backend *b, uint64_t at_ns)
{
	int r = loop_source_set_timer(b->timer, at_ns, 0);

	if (r < 0)
		log_error("%s: uploads stop: %s", b->config->name, err_str(r));
}

static void tell(struct upload_backend *b, const struct uploadanswer *a)
{
	/* a profile that is refused says nothing of the others */
	bool failing = a->class != UPLOADANSWER_STORED && a->class != UPLOADANSWER_REFUSED &&
		       a->class != UPLOADANSWER_TOO_LARGE;

	if (failing && !b->counts.failing)
		log_warn("%s: upload failed (%s): %s; what waits is kept, and tried again",
			 b->config->name, uploadanswer_name(a->class), a->message);
	if (!failing && b->counts.failing)
		log_info("%s: uploads work", b->config->name);
	b->counts.failing = failing;
}

/* Writes down what became of the rows that were sent; until then nothing else is sent. */
static int settle(struct upload_backend *b)
{
	struct store_row *rows = b->rows + b->next;
	int r;

	if (b->partial)
		r = store_progress(b->upload->store, b->target, rows, b->request.done);
	else
		r = store_settle(b->upload->store, b->target, rows, b->nr_sent, b->outcome);
	b->settling = r < 0;
	if (r < 0) {
		log_warn("%s: cannot note what was uploaded, trying again: %s", b->config->name,
			 err_str(r));
		return r;
	}
	if (b->partial) {
		rows->done = b->request.done;
		return 0;
	}
	for (size_t i = 0; b->nr_suspects && i < b->nr_sent; i++)
		upload_suspect_remove(b, &rows[i]);
	b->next += b->nr_sent;
	return 0;
}

static void begin_settle(struct upload_backend *b, size_t nr, enum store_outcome outcome,
			 bool partial)
{
	b->nr_sent = nr;
	b->outcome = outcome;
	b->partial = partial;
	b->settling = true;
	arm(b, clock_boot_ns());
}

static void on_success(struct upload_backend *b)
{
	b->successes++;
	b->slow_downs = 0;
	b->part_bytes += MIN(b->part_bytes / GROWTH, b->config->max_bytes - b->part_bytes);
	b->counts.samples += b->request.samples;
	b->counts.value_ns += b->request.value_ns;
	b->counts.parts += !b->request.last || b->rows[b->next].done;
	if (b->counts.failing) /* it is back: not all nodes at once */
		uploadpace_hold_old(
			&b->pace,
			clock_boot_ns() + uploadpace_random(&b->pace, b->config->catchup_delay_ns));
	uploadpace_succeeded(&b->pace);
	begin_settle(b, b->request.nr_rows, STORE_UPLOADED, !b->request.last);
}

/* Halves what goes into a request. False: it was as small as it gets. */
static bool shrink(struct upload_backend *b)
{
	uint32_t smaller = MIN(b->part_bytes, (uint32_t)b->request.raw_bytes) / 2;

	if (b->request.raw_bytes <= PART_MIN_BYTES)
		return false;
	b->part_bytes = MAX(smaller, PART_MIN_BYTES);
	log_info("%s: profiles are split at %" PRIu32 " bytes now", b->config->name, b->part_bytes);
	return true;
}

/* The rows go alone from now on, so that one of them does not take the others along. */
static void separate(struct upload_backend *b)
{
	for (size_t i = 0; i < b->request.nr_rows; i++)
		upload_suspect_add(b, &b->rows[b->next + i]);
	b->stale = true;
}

static void on_refused(struct upload_backend *b, const struct uploadanswer *a,
		       enum store_outcome outcome)
{
	if (b->request.nr_rows > 1) {
		separate(b);
		return;
	}
	log_warn("%s: a profile was refused for good (%s): %s", b->config->name,
		 store_outcome_name(outcome), a->message);
	begin_settle(b, 1, outcome, false);
}

static void on_suspect(struct upload_backend *b, const struct uploadanswer *a)
{
	uint32_t tries = 0;

	uploadpace_failed(&b->pace, clock_boot_ns(), a->retry_after_ns);
	if (b->request.nr_rows == 1)
		tries = upload_suspect_add(b, &b->rows[b->next]);
	else
		separate(b);
	b->stale = true;
	if (tries >= SUSPECT_TRIES_MAX)
		on_refused(b, a, STORE_REFUSED_UNKNOWN);
}

static void on_slow_down(struct upload_backend *b, const struct uploadanswer *a)
{
	uploadpace_slow_down(&b->pace);
	uploadpace_failed(&b->pace, clock_boot_ns(), a->retry_after_ns);
	if (++b->slow_downs < SLOW_DOWNS_MAX)
		return;
	b->slow_downs = 0;
	shrink(b);
}

static void on_done(const struct uploadanswer *a, void *userdata)
{
	struct upload_backend *b = userdata;

	b->sending = false;
	b->counts.answers[a->class]++;
	arm(b, clock_boot_ns());
	switch (a->class) {
	case UPLOADANSWER_STORED:
		on_success(b);
		break;
	case UPLOADANSWER_REFUSED:
		on_refused(b, a, STORE_REFUSED_INVALID);
		break;
	case UPLOADANSWER_TOO_LARGE:
		if (!shrink(b))
			on_refused(b, a, STORE_REFUSED_TOO_LARGE);
		break;
	case UPLOADANSWER_SLOW_DOWN:
		on_slow_down(b, a);
		break;
	case UPLOADANSWER_SUSPECT:
		on_suspect(b, a);
		break;
	case UPLOADANSWER_AUTH:
	case UPLOADANSWER_NO_BACKEND: /* a person has to do something: no hurry */
		uploadpace_failed(&b->pace, clock_boot_ns(), b->config->retry_max_ns / 2);
		break;
	default:
		uploadpace_failed(&b->pace, clock_boot_ns(), a->retry_after_ns);
		break;
	}
	tell(b, a);
}

/* What cannot be sent leaves the queue; what was sent of it before makes it an upload. */
static void on_unsendable(struct upload_backend *b, int why)
{
	static const enum store_outcome outcomes[] = {
		[UPLOADREQUEST_E_EMPTY] = STORE_REFUSED_EMPTY,
		[UPLOADREQUEST_E_UNREADABLE] = STORE_REFUSED_UNREADABLE,
		[UPLOADREQUEST_E_TOO_LARGE] = STORE_REFUSED_TOO_LARGE,
	};

	if (why == UPLOADREQUEST_E_GONE) {
		b->next++; /* evicted, and counted there */
		arm(b, clock_boot_ns());
		return;
	}
	begin_settle(b, b->request.nr_rows,
		     b->rows[b->next].done && why != UPLOADREQUEST_E_UNREADABLE ? STORE_UPLOADED
										: outcomes[why],
		     false);
}

static int send_next(struct upload_backend *b, uint64_t now_ns)
{
	const struct uploadrequest_limits limits = { .max_samples = b->config->max_samples,
						     .max_bytes = b->part_bytes };
	const struct store_row *rows = b->rows + b->next;
	uint32_t series;
	int r = uploadseries_find(b->upload->series, rows[0].owner, now_ns, &series);

	if (r || series != rows[0].series) { /* its place was given to another meanwhile */
		b->stale = true;
		arm(b, now_ns);
		return 0;
	}
	uploadrequest_deinit(&b->request);
	r = uploadrequest_make(&b->request, b->upload->store, rows, upload_plan_group(b),
			       uploadseries_labels(b->upload->series, series), &limits);
	if (r < 0)
		return r;
	b->counts.samples_too_large += b->request.samples_too_large;
	if (r > 0) {
		on_unsendable(b, r);
		return 0;
	}
	r = uploadhttp_post(b->peer, b->request.body.data, b->request.body.len);
	if (r < 0)
		return r;
	b->sending = true;
	b->counts.requests++;
	b->counts.bytes += b->request.body.len;
	uploadpace_sent(&b->pace, b->request.body.len);
	return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a && b ? MIN(a, b) : a ?: b;
}

/* A database was set aside: what we know of rows and owners is of another world. */
static void check_generation(struct upload_backend *b)
{
	uint64_t generation = store_generation(b->upload->store);

	if (b->generation == generation)
		return;
	b->generation = generation;
	b->nr_rows = b->next = b->nr_suspects = 0;
	b->sweep_before = INT64_MAX;
	b->settling = false;
	uploadseries_forget_owners(b->upload->series);
}

static int step(struct upload_backend *b)
{
	uint64_t now = clock_boot_ns(), at;
	int r;

	if (b->sending)
		return 0;
	check_generation(b);
	if (b->settling) {
		r = settle(b);
		if (r < 0)
			return r;
	}
	if (b->due_ns && now >= b->due_ns) {
		b->new_from_ns = b->due_start_ns;
		b->due_ns = 0;
		b->stale |= !b->merging;
	}
	r = store_expire(b->upload->store, b->target, upload_too_old_ns(b));
	if (r > 0) { /* a few; the plan may hold some of them */
		b->stale = true;
		arm(b, now);
	}
	if (r)
		return MIN(r, 0);
	at = uploadpace_ready(&b->pace, now);
	if (at) {
		arm(b, at);
		return 0;
	}
	r = upload_plan(b, now, &at);
	if (r > 0)
		return send_next(b, now);
	if (r == 0)
		arm(b, earlier(at, b->due_ns));
	return r;
}

static int on_timer(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct upload_backend *b = userdata;
	int r = step(b);

	if (r >= 0)
		return 0;
	log_warn("%s: uploads pause: %s", b->config->name, err_str(r));
	b->stale = !b->settling;
	arm(b, clock_boot_ns() + STORE_RETRY_NS);
	return 0;
}

static struct upload_backend *backend_free(struct upload_backend *b)
{
	if (!b)
		return NULL;
	uploadhttp_peer_free(b->peer);
	loop_source_free(b->timer);
	uploadrequest_deinit(&b->request);
	uploadhttp_secrets_deinit(&b->secrets);
	free(b->rows);
	free(b);
	return NULL;
}
DEFINE_CLEANUP(struct upload_backend *, backend_free)

static int backend_new(struct upload_backend **ret, struct upload *u, size_t target,
		       struct err *err)
{
	_cleanup_(backend_freep) struct upload_backend *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->upload = u;
	b->target = target;
	b->config = &u->options->backends[target];
	b->part_bytes = b->config->max_bytes;
	b->new_from_ns = UINT64_MAX;
	b->sweep_before = INT64_MAX;
	b->window_ns = WINDOW_FIRST_NS;
	r = uploadhttp_secrets_load(&b->secrets, b->config, err);
	if (r < 0)
		return r;
	if (!b->config->tls && (b->config->username || b->config->token_file))
		log_warn("%s: %s is not encrypted: whoever is on the way reads the credentials",
			 b->config->name, b->config->url);
	*ret = TAKE_PTR(b);
	return 0;
}

int upload_new(struct upload **ret, const struct options_upload *options, struct err *err)
{
	_cleanup_(upload_freep) struct upload *u = calloc(1, sizeof(*u));
	int r = 0;

	if (!u)
		return -ENOMEM;
	u->options = options;
	snprintf(u->node, sizeof(u->node), "%s", options->node);
	if (!u->node[0] && gethostname(u->node, sizeof(u->node) - 1) < 0)
		return err_last();
	for (size_t i = 0; i < options->nr_backends && r == 0; i++) {
		r = backend_new(&u->backends[i], u, i, err);
		u->nr_backends += r == 0;
	}
	if (r == 0 && u->nr_backends)
		r = http_global_init();
	if (r < 0)
		return r;
	*ret = TAKE_PTR(u);
	return 0;
}

struct upload *upload_free(struct upload *u)
{
	if (!u)
		return NULL;
	for (size_t i = 0; i < u->nr_backends; i++)
		backend_free(u->backends[i]);
	http_free(u->http);
	uploadseries_free(u->series);
	for (size_t i = 0; i < u->nr_folders; i++)
		free(u->folders[i]);
	free(u);
	return NULL;
}

static int backend_start(struct upload_backend *b)
{
	struct uploadpace_config pace = { .bytes_per_s = b->config->bytes_per_s,
					  .requests_per_s = b->config->requests_per_s,
					  .catchup = b->config->catchup,
					  .retry_max_ns = b->config->retry_max_ns };
	uint64_t now = clock_boot_ns();
	int r;

	if (getrandom(&pace.seed, sizeof(pace.seed), GRND_NONBLOCK) != sizeof(pace.seed))
		pace.seed = now;
	uploadpace_init(&b->pace, &pace, now);
	uploadpace_hold_old(&b->pace,
			    now + uploadpace_random(&b->pace, b->config->catchup_delay_ns));
	r = uploadhttp_peer_new(&b->peer, b->upload->http, b->config, &b->secrets, on_done, b);
	return r ?: loop_add_timer(b->upload->loop, &b->timer, now, 0, on_timer, b);
}

int upload_start(struct upload *u, struct loop *loop, struct store *store, struct err *err)
{
	const struct uploadseries_config series = { .node = u->node,
						    .labels = &u->options->labels,
						    .relabel = u->options->relabel,
						    .max = u->options->max_series };
	const char *names[UPLOAD_MAX_BACKENDS];
	int r;

	for (size_t i = 0; i < u->nr_backends; i++)
		names[i] = u->backends[i]->config->name;
	r = store_targets(store, names, u->nr_backends);
	u->loop = loop;
	u->store = store;
	if (u->nr_backends) {
		r = r ?: http_new(&u->http, loop);
		r = r ?: uploadseries_new(&u->series, &series);
	}
	for (size_t i = 0; i < u->nr_backends && r == 0; i++)
		r = backend_start(u->backends[i]);
	return r < 0 ? err_errno(err, r, "cannot begin to upload") : 0;
}

/* The folder, since a file that is replaced is another file. */
static int allow_folder(struct upload *u, const char *path, struct exportersandbox *sandbox)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char *folder;

	if (!slash || slash == path)
		return slash ? exportersandbox_add_read_only(sandbox, path)
			     : 0; /* of "/": the file alone */
	folder = strndup(path, (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	u->folders[u->nr_folders++] = folder;
	return exportersandbox_add_read_only(sandbox, folder);
}

int upload_confine(struct upload *u, struct exportersandbox *sandbox)
{
	int r = 0;

	for (size_t i = 0; i < u->nr_backends && r == 0; i++) {
		const struct upload_config *c = u->backends[i]->config;
		const char *const paths[] = { c->password_file, c->token_file, c->header_file,
					      c->ca_file,       c->cert_file,  c->key_file };

		r = exportersandbox_add_connect(sandbox, c->port);
		for (size_t j = 0; j < ARRAY_SIZE(paths) && r == 0; j++)
			r = allow_folder(u, paths[j], sandbox);
	}
	return r;
}

void upload_stored(struct upload *u, const struct winwire_header *header)
{
	uint64_t now = clock_boot_ns();

	for (size_t i = 0; i < u->nr_backends; i++) {
		struct upload_backend *b = u->backends[i];

		b->due_start_ns = header->start_wall_ns;
		b->window_ns = header->duration_ns;
		if (b->due_ns)
			continue; /* its turn is about to come anyway */
		b->due_ns = now + uploadpace_offset(u->node, header->duration_ns);
		if (!b->sending && !b->settling)
			arm(b, b->next < b->nr_rows ? now : b->due_ns);
	}
}

size_t upload_nr(const struct upload *u)
{
	return u->nr_backends;
}

const char *upload_name(const struct upload *u, size_t backend)
{
	return u->backends[backend]->config->name;
}

int upload_counts(struct upload *u, size_t backend, struct upload_counts *ret)
{
	*ret = u->backends[backend]->counts;
	return store_outbox_counts(u->store, backend, &ret->outbox);
}
