/*
 * A child that answers a few addresses at a time: the client asks on until it has them all, in their order; one that
 * answers none, or more than it was asked, is not believed.
 */
#include "symbolizer/codec.h"
#include "tests/fixtures/supervised.h"

#include <inttypes.h>

#define ADDRESSES 10000
#define KEY_FEW 1
#define KEY_NONE 2
#define KEY_MORE 3

/* As many answers as the child likes to give to a request of nr addresses. */
static size_t how_many(uint64_t key, size_t nr, unsigned int turn)
{
	switch (key) {
	case KEY_NONE:
		return 0;
	case KEY_MORE:
		return nr + 1;
	}
	return MIN(nr, (size_t)(1 + turn * 7919 % 700));
}

static void answer(int socket, const struct symwire_request *request, unsigned int turn)
{
	const uint64_t *addresses = (const void *)(request + 1);
	size_t nr = how_many(request->key, request->nr, turn);
	struct symbolizer_answer *answers = calloc(nr + 1, sizeof(*answers));
	struct symbolizer_frame *frames = calloc(nr + 1, sizeof(*frames));
	struct symbolizer_result result = {
		.answers = answers, .nr_answers = nr, .frames = frames, .nr_frames = nr
	};
	struct wire_header header;
	struct buf out;
	char *name;
	int fd;

	buf_init(&out, SYMWIRE_ANSWER_MAX);
	for (size_t i = 0; i < nr; i++) {
		if (asprintf(&name, "at %" PRIu64, i < request->nr ? addresses[i] : 0) < 0)
			_exit(1);
		frames[i] =
			(struct symbolizer_frame) { .name = name, .system_name = name, .file = "" };
		answers[i] = (struct symbolizer_answer) { .first_frame = (uint32_t)i,
							  .nr_frames = 1,
							  .vaddr = i + 1,
							  .source = SYMBOLIZER_SYMTAB };
	}
	if (codec_encode_frames(&result, &out) || sys_memfd("answer", &fd) ||
	    sys_write_all(fd, out.data, out.len) || sys_seal(fd))
		_exit(1);
	header = wire_header(request->header.type, request->header.id, out.len);
	fdpass_send(socket, &header, sizeof(header), NULL, 0, fd);
	close(fd);
}

void child_main(const struct sandbox *sandbox, enum symbolizer_demangle demangle, int socket,
		int file_fd, int debug_fd)
{
	static uint64_t message[sizeof(struct symwire_request) / 8 + SYMWIRE_ADDRESSES_MAX];
	int fd;

	for (unsigned int turn = 0;; turn++) {
		if (fdpass_receive(socket, message, sizeof(message), 0, &fd) <= 0)
			_exit(0);
		answer(socket, (const void *)message, turn);
	}
}

static size_t got;

static void on_result(const struct symbolizer_result *r)
{
	char name[32];

	got = r->nr_answers;
	CHECK_INT(r->nr_answers, ADDRESSES);
	for (size_t i = 0; i < ADDRESSES; i++) {
		CHECK_INT(r->answers[i].nr_frames, 1);
		snprintf(name, sizeof(name), "at %zu", 3 * i);
		CHECK_STR(r->frames[r->answers[i].first_frame].name, name);
	}
}

static int ask(struct supervised *s, uint64_t key)
{
	static uint64_t addresses[ADDRESSES];
	struct symclient_file file = { .key = key, .fd = s->file_fd };
	uint64_t start = clock_boot_ns();

	for (size_t i = 0; i < ADDRESSES; i++)
		addresses[i] = 3 * i;
	s->status = STATUS_NONE;
	CHECK_INT(symclient_frames(s->client, &file, SYMCLIENT_NAMES, addresses, ADDRESSES,
				   supervised_on_frames, s),
		  0);
	while (s->status == STATUS_NONE) {
		CHECK(clock_boot_ns() - start < 20 * NSEC_PER_SEC);
		CHECK(loop_run_once(s->loop, 100) >= 0);
	}
	return s->status;
}

static void test_all_come_in_the_end(void)
{
	struct supervised s = { .on_result = on_result };

	supervised_start(&s);
	CHECK_INT(ask(&s, KEY_FEW), SYMCLIENT_OK);
	CHECK_INT(got, ADDRESSES);
	supervised_stop(&s);
}

static void test_none_and_too_many_are_refused(void)
{
	struct supervised s = { .on_result = on_result };

	supervised_start(&s);
	got = 0;
	CHECK_INT(ask(&s, KEY_NONE), SYMCLIENT_BROKEN);
	CHECK_INT(ask(&s, KEY_MORE), SYMCLIENT_BROKEN);
	CHECK_INT(got, 0);
	CHECK_INT(ask(&s, KEY_FEW), SYMCLIENT_OK);
	supervised_stop(&s);
}

int main(void)
{
	RUN(test_all_come_in_the_end);
	RUN(test_none_and_too_many_are_refused);
	return 0;
}
