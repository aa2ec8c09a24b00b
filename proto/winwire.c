/* Hand-over messages, core → exporter and back. */
#include "proto/winwire.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0x31777066u /* "fpw1" */
#define BODY_MAGIC 0x31627066u /* "fpb1" */
#define ERROR_MAX 4095 /* the kernel's MAX_ERRNO */

static void put_head(struct buf *b, enum winwire_type type)
{
	varint_put(b, MAGIC);
	varint_put(b, type);
}

void winwire_put_text(struct buf *b, enum winwire_type type, const char *text)
{
	put_head(b, type);
	varint_put_string(b, text);
}

void winwire_put_greeting(struct buf *b, enum winwire_type type, const char *version,
			  const char *extra)
{
	winwire_put_text(b, type, version);
	varint_put_string(b, extra);
}

void winwire_put_answer(struct buf *b, enum winwire_type type, uint64_t number, int error)
{
	put_head(b, type);
	varint_put(b, number);
	varint_put(b, (uint64_t)-error);
}

void winwire_put_build_id(struct buf *b, enum winwire_type type, uint64_t number,
			  const uint8_t *build_id, size_t len)
{
	put_head(b, type);
	varint_put(b, number);
	varint_put_bytes(b, build_id, len);
}

void winwire_put_header(struct buf *b, const struct winwire_header *h)
{
	buf_add(b, h->boot_id, sizeof(h->boot_id));
	varint_put(b, h->agent_start_ns);
	varint_put(b, h->number);
	varint_put(b, h->start_boot_ns);
	varint_put(b, h->duration_ns);
	varint_put(b, h->start_wall_ns);
	varint_put(b, h->period_ns);
	varint_put(b, h->rate_hz);
	varint_put(b, h->nr_cpus);
	varint_put(b, h->flags);
	varint_put_string(b, h->host);
	varint_put_string(b, h->kernel);
	varint_put_string(b, h->version);
	varint_put(b, h->nr_losses);
	for (size_t i = 0; i < h->nr_losses; i++) {
		varint_put_string(b, h->losses[i].name);
		varint_put(b, h->losses[i].count);
	}
}

void winwire_put_window(struct buf *b, const struct winwire_header *header)
{
	put_head(b, WINWIRE_WINDOW);
	winwire_put_header(b, header);
}

static void get_string(struct varint_reader *r, char *to, size_t size)
{
	const char *s = varint_get_string(r, size - 1);

	memcpy(to, s, strlen(s) + 1);
}

static void get_header(struct varint_reader *r, struct winwire_header *h)
{
	const uint8_t *boot_id = varint_get_raw(r, sizeof(h->boot_id));

	if (boot_id)
		memcpy(h->boot_id, boot_id, sizeof(h->boot_id));
	h->agent_start_ns = varint_get(r);
	h->number = varint_get(r);
	h->start_boot_ns = varint_get(r);
	h->duration_ns = varint_get_max(r, INT64_MAX);
	h->start_wall_ns =
		varint_get_max(r, INT64_MAX / 2); /* so that a sum of times is no overflow */
	h->period_ns = varint_get_max(r, INT64_MAX);
	h->rate_hz = (uint32_t)varint_get_max(r, UINT32_MAX);
	h->nr_cpus = (uint32_t)varint_get_max(r, UINT32_MAX);
	h->flags = (uint32_t)varint_get_max(r, WINWIRE_FLAGS);
	get_string(r, h->host, sizeof(h->host));
	get_string(r, h->kernel, sizeof(h->kernel));
	get_string(r, h->version, sizeof(h->version));
	h->nr_losses = varint_get_max(r, WINWIRE_MAX_LOSSES);
	for (size_t i = 0; i < h->nr_losses; i++) {
		get_string(r, h->losses[i].name, sizeof(h->losses[i].name));
		h->losses[i].count = varint_get(r);
	}
	if (h->duration_ns > INT64_MAX / 2 || h->number > INT64_MAX ||
	    h->agent_start_ns > INT64_MAX)
		varint_fail(r);
}

int winwire_parse_header(const void *data, size_t len, struct winwire_header *ret)
{
	struct varint_reader r;

	varint_reader_init(&r, data, len);
	*ret = (struct winwire_header) { .number = 0 };
	get_header(&r, ret);
	return r.broken || varint_left(&r) ? -EBADMSG : 0;
}

void winwire_add_losses(struct winwire_header *to, const struct winwire_header *from)
{
	for (size_t i = 0; i < from->nr_losses; i++) {
		size_t j = 0;

		while (j < to->nr_losses && strcmp(to->losses[j].name, from->losses[i].name))
			j++;
		if (j < to->nr_losses)
			to->losses[j].count += from->losses[i].count;
		else if (j < WINWIRE_MAX_LOSSES)
			to->losses[to->nr_losses++] = from->losses[i];
		else
			to->losses[j - 1].count += from->losses[i].count;
	}
}

static void get_build_id(struct varint_reader *r, struct winwire_message *ret)
{
	size_t len;
	const uint8_t *build_id = varint_get_bytes(r, WINWIRE_BUILD_ID_MAX, &len);

	if (!build_id || len < WINWIRE_BUILD_ID_MIN) {
		varint_fail(r);
		return;
	}
	memcpy(ret->build_id, build_id, len);
	ret->build_id_len = len;
}

int winwire_parse(const void *packet, size_t len, struct winwire_message *ret)
{
	struct varint_reader r;

	*ret = (struct winwire_message) { .text = "", .token = "", .address = "" };
	varint_reader_init(&r, packet, len);
	if (varint_get(&r) != MAGIC)
		return -EBADMSG;
	ret->type = (enum winwire_type)varint_get_max(&r, WINWIRE_DEBUG_BAD);
	switch (ret->type) {
	case WINWIRE_HELLO:
		ret->text = varint_get_string(&r, WINWIRE_STRING_MAX);
		ret->token = varint_get_string(&r, WINWIRE_TOKEN_MAX);
		break;
	case WINWIRE_READY:
		ret->text = varint_get_string(&r, WINWIRE_STRING_MAX);
		ret->address = varint_get_string(&r, WINWIRE_STRING_MAX);
		break;
	case WINWIRE_METRICS:
		ret->text = varint_get_string(&r, WINWIRE_PACKET_MAX);
		break;
	case WINWIRE_WINDOW:
		get_header(&r, &ret->header);
		break;
	case WINWIRE_STORED:
	case WINWIRE_REFUSED:
	case WINWIRE_WATCH:
	case WINWIRE_DEBUG_FILE:
		ret->number = varint_get(&r);
		ret->error = -(int)varint_get_max(&r, ERROR_MAX);
		break;
	case WINWIRE_DEBUG_ASK:
	case WINWIRE_DEBUG_BAD:
		ret->number = varint_get(&r);
		get_build_id(&r, ret);
		break;
	default:
		return -EBADMSG;
	}
	return r.broken || varint_left(&r) ? -EBADMSG : 0;
}

void winwire_put_seconds(struct buf *b, const uint32_t *samples, size_t nr)
{
	while (nr && !samples[nr - 1])
		nr--;
	for (size_t i = 0; i < nr; i++)
		varint_put(b, samples[i]);
}

int winwire_parse_seconds(const void *data, size_t len, uint32_t *samples, size_t max)
{
	struct varint_reader r;
	size_t nr = 0;

	varint_reader_init(&r, data, len);
	while (varint_left(&r)) {
		uint32_t v = (uint32_t)varint_get_max(&r, UINT32_MAX);

		if (nr < max)
			samples[nr] = v;
		if (++nr > WINWIRE_MAX_SECONDS)
			return -EBADMSG;
	}
	return r.broken ? -EBADMSG : (int)nr;
}

void winwire_put_body(struct buf *b, size_t nr_owners)
{
	varint_put(b, BODY_MAGIC);
	varint_put(b, nr_owners);
}

void winwire_put_identity(struct buf *b, const struct winwire_owner *o)
{
	varint_put_string(b, o->name);
	varint_put_string(b, o->id);
	varint_put_string(b, o->runtime);
	varint_put_string(b, o->image);
	varint_put_string(b, o->cgroup_path);
	varint_put(b, o->nr_labels);
	for (size_t i = 0; i < o->nr_labels; i++) {
		varint_put_string(b, o->labels[i].key);
		varint_put_string(b, o->labels[i].value);
	}
}

void winwire_put_owner(struct buf *b, const struct winwire_owner *o)
{
	winwire_put_identity(b, o);
	varint_put(b, o->samples);
	varint_put(b, o->value_ns);
	varint_put(b, o->usage_ns);
	varint_put(b, o->nr_throttled);
	varint_put(b, o->throttled_ns);
	varint_put_bytes(b, o->seconds, o->seconds_len);
	varint_put_bytes(b, o->profile, o->profile_len);
}

int winwire_body_init(struct winwire_body *body, const void *data, size_t len)
{
	*body = (struct winwire_body) { .next = 0 };
	varint_reader_init(&body->reader, data, len);
	if (varint_get(&body->reader) != BODY_MAGIC)
		return -EBADMSG;
	body->nr_owners = varint_get_max(&body->reader, WINWIRE_MAX_OWNERS);
	return body->reader.broken ? -EBADMSG : 0;
}

/* A count of samples or nanoseconds: the store's and the outputs' numbers are signed. */
static uint64_t get_number(struct varint_reader *r)
{
	uint64_t v = varint_get(r);

	if (v > INT64_MAX && v != WINWIRE_UNKNOWN)
		varint_fail(r);
	return v;
}

int winwire_body_next(struct winwire_body *body, struct winwire_owner *ret)
{
	struct varint_reader *r = &body->reader;

	if (body->next == body->nr_owners)
		return varint_left(r) ? -EBADMSG : 0;
	body->next++;
	ret->name = varint_get_string(r, WINWIRE_STRING_MAX);
	ret->id = varint_get_string(r, WINWIRE_STRING_MAX);
	ret->runtime = varint_get_string(r, WINWIRE_STRING_MAX);
	ret->image = varint_get_string(r, WINWIRE_STRING_MAX);
	ret->cgroup_path = varint_get_string(r, WINWIRE_STRING_MAX);
	ret->nr_labels = varint_get_max(r, WINWIRE_MAX_LABELS);
	for (size_t i = 0; i < ret->nr_labels; i++) {
		ret->labels[i].key = varint_get_string(r, WINWIRE_STRING_MAX);
		ret->labels[i].value = varint_get_string(r, WINWIRE_STRING_MAX);
	}
	ret->samples = varint_get_max(r, INT64_MAX);
	ret->value_ns = varint_get_max(r, INT64_MAX);
	ret->usage_ns = get_number(r);
	ret->nr_throttled = get_number(r);
	ret->throttled_ns = get_number(r);
	ret->seconds = varint_get_bytes(r, 5 * WINWIRE_MAX_SECONDS, &ret->seconds_len);
	ret->profile = varint_get_bytes(r, WINWIRE_BODY_MAX, &ret->profile_len);
	return r->broken ? -EBADMSG : 1;
}
