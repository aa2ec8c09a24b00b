/*
 * Children of the symbolizer that were taken over: they answer nonsense, or not at all. Whatever they do ends with
 * them: the core gets a status in time and never a result, and the next file is served.
 */
#include "tests/fixtures/supervised.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define DEADLINE_MS 300

struct child {
	int socket;
	struct wire_header header; /* of a right answer without data */
};

/* The answer of a child: this status and these bytes, said to be size bytes. */
static void answer(const struct child *c, const void *bytes, size_t len, size_t size, bool sealed)
{
	struct wire_header header = c->header;
	int fd = memfd_create("answer", MFD_ALLOW_SEALING);

	if (fd < 0 || (len && write(fd, bytes, len) != (ssize_t)len) || (sealed && sys_seal(fd)))
		_exit(1);
	header.size = (uint32_t)size;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, fd);
}

static __attribute__((noreturn)) void sleep_for_ever(void)
{
	static uint32_t word;

	for (;;)
		syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void hang(const struct child *c)
{
	sleep_for_ever();
}

static void spin(const struct child *c)
{
	for (volatile int i = 0;; i++)
		;
}

static void close_and_sleep(const struct child *c)
{
	close(c->socket);
	sleep_for_ever();
}

static void crash(const struct child *c)
{
	__builtin_trap();
}

static void end(const struct child *c)
{
	_exit(0);
}

static void eat_memory(const struct child *c)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			_exit(3);
		memset(p, 1, 1 << 20);
	}
}

static void wrong_magic(const struct child *c)
{
	struct wire_header header = c->header;

	header.magic ^= 1;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, -1);
}

static void wrong_build(const struct child *c)
{
	struct wire_header header = c->header;

	header.build++;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, -1);
}

/* Another's request answered in its place: ids are small numbers. */
static void wrong_id(const struct child *c)
{
	struct wire_header header = c->header;

	header.id++;
	header.status = SYMWIRE_NOT_ELF;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, -1);
}

static void wrong_status(const struct child *c)
{
	struct wire_header header = c->header;

	header.status = 0xffff;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, -1);
}

static void short_message(const struct child *c)
{
	fdpass_send(c->socket, &c->header, 7, NULL, 0, -1);
}

static void long_message(const struct child *c)
{
	static char more[4096];

	fdpass_send(c->socket, &c->header, sizeof(c->header), more, sizeof(more), -1);
}

static void ok_without_data(const struct child *c)
{
	fdpass_send(c->socket, &c->header, sizeof(c->header), NULL, 0, -1);
}

static void refusal_with_data(const struct child *c)
{
	struct wire_header header = c->header;

	header.status = SYMWIRE_BROKEN;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, 1);
}

/* The file itself in place of an answer: not sealed, and never mapped by the core. */
static void the_file(const struct child *c)
{
	struct wire_header header = c->header;

	header.size = 4096;
	fdpass_send(c->socket, &header, sizeof(header), NULL, 0, 1);
}

static void not_sealed(const struct child *c)
{
	struct symwire_frames frames = { .nr_answers = 1 };

	answer(c, &frames, sizeof(frames), sizeof(frames), false);
}

static void empty(const struct child *c)
{
	answer(c, "", 0, 0, true);
}

static void larger_than_said(const struct child *c)
{
	answer(c, (char[64]) { 0 }, 64, 32, true);
}

static void smaller_than_said(const struct child *c)
{
	answer(c, (char[64]) { 0 }, 64, SYMWIRE_ANSWER_MAX, true);
}

static void zeros(const struct child *c)
{
	answer(c, (char[256]) { 0 }, 256, 256, true);
}

static void ones(const struct child *c)
{
	char bytes[256];

	memset(bytes, 0xff, sizeof(bytes));
	answer(c, bytes, sizeof(bytes), sizeof(bytes), true);
}

/* A well-formed table but for one number that leads far away. */
static void table(const struct child *c, struct symwire_frames head, struct symwire_answer a,
		  struct symwire_frame f)
{
	struct {
		struct symwire_frames head;
		struct symwire_answer answer;
		struct symwire_frame frame;
		char strings[12]; /* no padding behind */
	} all = { head, a, f, "abcdefg" };

	answer(c, &all, sizeof(all), sizeof(all), true);
}
static const struct symwire_frames right_head = { .nr_answers = 1,
						  .nr_frames = 1,
						  .strings_size = 12 };
static const struct symwire_answer right_answer = { .nr_frames = 1 };
static const struct symwire_frame right_frame = { .line = 1 };

static void many_frames(const struct child *c)
{
	struct symwire_frames head = right_head;

	head.nr_frames = UINT32_MAX;
	table(c, head, right_answer, right_frame);
}

static void two_answers(const struct child *c)
{
	struct symwire_frames head = right_head;

	head.nr_answers = 2;
	table(c, head, right_answer, right_frame);
}

static void frames_outside(const struct child *c)
{
	struct symwire_answer a = right_answer;

	a.first_frame = UINT32_MAX;
	a.nr_frames = 2; /* their sum is 1 again */
	table(c, right_head, a, right_frame);
}

static void lacks_what_nobody_knows(const struct child *c)
{
	struct symwire_answer a = right_answer;

	a.less = SYMBOLIZER_LESS_ALL + 1;
	table(c, right_head, a, right_frame);
}

/* A well-formed answer but for what it wants. */
static void want(const struct child *c, struct symwire_want w, uint32_t nr)
{
	struct {
		struct symwire_frames head;
		struct symwire_answer answer;
		struct symwire_want want;
		struct symwire_frame frame;
		char strings[12];
	} all = { right_head, right_answer, w, right_frame, "abcdefg" };

	all.head.nr_wants = nr;
	answer(c, &all, sizeof(all), sizeof(all), true);
}

static void wants_more_than_there_is(const struct child *c)
{
	want(c, (struct symwire_want) { .kind = SYMBOLIZER_SUPPLEMENT_SPLIT }, SYMWIRE_WANTS_MAX);
}

static void wants_very_many(const struct child *c)
{
	want(c, (struct symwire_want) { .kind = SYMBOLIZER_SUPPLEMENT_SPLIT }, UINT32_MAX);
}

static void wants_another_debug_file(const struct child *c)
{
	want(c, (struct symwire_want) { .kind = SYMBOLIZER_SUPPLEMENT_DEBUG }, 1);
}

static void wants_a_path_outside(const struct child *c)
{
	want(c, (struct symwire_want) { .kind = SYMBOLIZER_SUPPLEMENT_SPLIT, .path = 12 }, 1);
}

static void wants_a_long_id(const struct child *c)
{
	want(c,
	     (struct symwire_want) { .kind = SYMBOLIZER_SUPPLEMENT_ALT,
				     .id_len = SYMWIRE_WANT_ID_MAX + 1 },
	     1);
}

static void name_outside(const struct child *c)
{
	struct symwire_frame f = right_frame;

	f.name = 12;
	table(c, right_head, right_answer, f);
}

static void file_far_outside(const struct child *c)
{
	struct symwire_frame f = right_frame;

	f.file = UINT32_MAX;
	table(c, right_head, right_answer, f);
}

#define BEHAVIOUR(name)                                                                            \
	{                                                                                          \
#name, name                                                                        \
	}
static const struct {
	const char *name;
	void (*behave)(const struct child *c);
} behaviours[] = {
	BEHAVIOUR(hang),
	BEHAVIOUR(spin),
	BEHAVIOUR(close_and_sleep),
	BEHAVIOUR(crash),
	BEHAVIOUR(end),
	BEHAVIOUR(eat_memory),
	BEHAVIOUR(wrong_magic),
	BEHAVIOUR(wrong_build),
	BEHAVIOUR(wrong_id),
	BEHAVIOUR(wrong_status),
	BEHAVIOUR(short_message),
	BEHAVIOUR(long_message),
	BEHAVIOUR(ok_without_data),
	BEHAVIOUR(refusal_with_data),
	BEHAVIOUR(the_file),
	BEHAVIOUR(not_sealed),
	BEHAVIOUR(empty),
	BEHAVIOUR(larger_than_said),
	BEHAVIOUR(smaller_than_said),
	BEHAVIOUR(zeros),
	BEHAVIOUR(ones),
	BEHAVIOUR(many_frames),
	BEHAVIOUR(two_answers),
	BEHAVIOUR(frames_outside),
	BEHAVIOUR(lacks_what_nobody_knows),
	BEHAVIOUR(wants_more_than_there_is),
	BEHAVIOUR(wants_very_many),
	BEHAVIOUR(wants_another_debug_file),
	BEHAVIOUR(wants_a_path_outside),
	BEHAVIOUR(wants_a_long_id),
	BEHAVIOUR(name_outside),
	BEHAVIOUR(file_far_outside),
};
#define WELL_BEHAVED ARRAY_SIZE(behaviours)

void child_main(const struct sandbox *sandbox, enum symbolizer_demangle demangle, int socket,
		int file_fd, int debug_fd)
{
	uint64_t message[sizeof(struct symwire_request) / 8 + 1];
	const struct symwire_request *request = (const void *)message;
	struct child c = { .socket = socket };
	uint64_t which;
	int fd;

	if (sandbox_enter(sandbox) < 0 ||
	    fdpass_receive(socket, message, sizeof(message), 0, &fd) != sizeof(message))
		_exit(1);
	which = message[sizeof(struct symwire_request) / 8];
	c.header = wire_header(request->header.type, request->header.id, 0);
	if (which < WELL_BEHAVED)
		behaviours[which].behave(&c);
	else
		table(&c, right_head, right_answer, right_frame);
	sleep_for_ever();
}

static bool got_result;

static void on_result(const struct symbolizer_result *result)
{
	got_result = true;
	CHECK_INT(result->nr_answers, 1);
	CHECK_INT(result->nr_frames, 1);
	CHECK_STR(result->frames[0].name, "abcdefg");
}

static void test_every_behaviour_ends_with_its_child(void)
{
	struct supervised s = { .deadline_ms = DEADLINE_MS, .on_result = on_result };
	pid_t supervisor;

	supervised_start(&s);
	supervisor = s.supervisor;
	for (size_t i = 0; i < ARRAY_SIZE(behaviours); i++) {
		int status;

		got_result = false;
		status = supervised_ask(&s, 2 * i, s.file_fd, i);
		if (got_result || status == SYMWIRE_OK)
			fprintf(stderr, "%s is believed\n", behaviours[i].name);
		CHECK(!got_result && status != SYMWIRE_OK);
		CHECK_INT(supervised_ask(&s, 2 * i + 1, s.file_fd, WELL_BEHAVED), SYMWIRE_OK);
		CHECK(got_result);
	}
	CHECK_INT(s.supervisor, supervisor); /* none of them ended it */
	supervised_stop(&s);
}

/* A file that ends its child twice is not tried a third time, and costs nothing any more. */
static void test_quarantine(void)
{
	struct supervised s = { .deadline_ms = DEADLINE_MS };

	supervised_start(&s);
	CHECK_INT(supervised_ask(&s, 7, s.file_fd, 0), SYMWIRE_TIMEOUT);
	CHECK_INT(supervised_ask(&s, 7, s.file_fd, 3), SYMWIRE_CRASHED);
	CHECK_INT(supervised_ask(&s, 7, s.file_fd, WELL_BEHAVED), SYMWIRE_QUARANTINED);
	CHECK_INT(supervised_ask(&s, 8, s.file_fd, WELL_BEHAVED), SYMWIRE_OK);
	supervised_stop(&s);
}

int main(void)
{
	if (SANITIZED)
		SKIP("the sanitizers cannot live in the sandbox");
	RUN(test_every_behaviour_ends_with_its_child);
	RUN(test_quarantine);
	return 0;
}
