/* The sandboxed child. */
#include "symbolizer/child.h"
#include "agent/base/clock.h"
#include "agent/base/fdpass.h"
#include "agent/base/sys.h"
#include "proto/symwire.h"
#include "proto/unwind_image.h"
#include "symbolizer/codec.h"
#include "symbolizer/containers.h"
#include "symbolizer/digest.h"

#include <errno.h>

#define EXIT_NO_MEMORY 3
#define BATCH_FIRST 1024
#define BATCH_MIN 16
#define BATCH_LONG_NS (400 * NSEC_PER_MSEC)
#define BATCH_SHORT_NS (50 * NSEC_PER_MSEC)

/* Of what the child may take: the rest is for answers under way, and for the libraries. */
static size_t memory_of_file(const struct sandbox *sandbox)
{
	return MIN((size_t)sandbox->memory / 2, (size_t)SYMBOLIZER_MEMORY_DEFAULT);
}

struct child {
	enum symbolizer_demangle demangle;
	size_t memory;
	size_t batch; /* addresses that are answered at once */
	int socket, file_fd, debug_fd;
	bool has_alt, has_package; /* were given and are the file's: once is enough */
	struct symbolizer_file *file;
};

/* What came with a request, closed after it. */
struct given {
	int fds[SYMWIRE_FDS_MAX];
	size_t nr;
};

static void given_deinit(struct given *g)
{
	for (size_t i = 0; i < g->nr; i++)
		close_fd(g->fds[i]);
}
DEFINE_CLEANUP_EMBEDDED(struct given, given_deinit)

static enum symwire_status status_of(int r)
{
	if (r == SYMBOLIZER_E_NOT_ELF)
		return SYMWIRE_NOT_ELF;
	if (r == -ESTALE)
		return SYMWIRE_FILE_CHANGED;
	if (r == -ENOMEM)
		_exit(EXIT_NO_MEMORY); /* the supervisor starts over, and counts it */
	return r ? SYMWIRE_BROKEN : SYMWIRE_OK;
}

static int open_file(struct child *c)
{
	int r = c->file ? 0 : symbolizer_file_new(&c->file, c->file_fd, NULL);

	if (!r) {
		symbolizer_file_set_memory(c->file, c->memory);
		symbolizer_file_set_demangle(c->file, c->demangle);
	}
	/* One that is not this file's, or is broken, is not used; the answers show it. */
	if (!r && c->debug_fd >= 0)
		symbolizer_file_set_supplement(c->file, SYMBOLIZER_SUPPLEMENT_DEBUG, c->debug_fd,
					       NULL);
	c->debug_fd = -1;
	return r;
}

static int answer_identity(struct child *c, struct buf *out)
{
	struct symbolizer_identity identity;
	int r = open_file(c);

	if (r)
		return r;
	symbolizer_file_identity(c->file, &identity);
	return buf_add(out, &identity, sizeof(identity));
}

static bool take(struct child *c, enum symbolizer_supplement kind, int fd)
{
	return !symbolizer_file_set_supplement(c->file, kind, fd, NULL);
}

/* One that is not this file's, or is broken, is not used: it is wanted still, and the answer says so. */
static void take_supplements(struct child *c, const struct symwire_request *request,
			     const struct given *given)
{
	const int *fd = given->fds;

	if (request->has_alt && !c->has_alt)
		c->has_alt = take(c, SYMBOLIZER_SUPPLEMENT_ALT, *fd);
	fd += request->has_alt;
	if (request->has_package && !c->has_package)
		c->has_package = take(c, SYMBOLIZER_SUPPLEMENT_SPLIT, *fd);
	fd += request->has_package;
	for (size_t i = 0; i < request->nr_splits; i++)
		take(c, SYMBOLIZER_SUPPLEMENT_SPLIT, fd[i]);
}

/* So many that an answer takes a fraction of a second: others wait for this child's place, and deadlines are seconds. */
static void adapt_batch(struct child *c, uint64_t took_ns)
{
	if (took_ns > BATCH_LONG_NS)
		c->batch = MAX(c->batch / 4, (size_t)BATCH_MIN);
	else if (took_ns < BATCH_SHORT_NS)
		c->batch = MIN(c->batch * 4, (size_t)SYMWIRE_ADDRESSES_MAX);
}

/* The answers, and what they lack. */
static int encode(struct child *c, struct symbolizer_result *result, struct buf *out)
{
	struct symbolizer_want wants[SYMWIRE_WANTS_MAX];
	size_t it = 0;
	int r;

	result->wants = wants;
	while (result->nr_wants < ARRAY_SIZE(wants) &&
	       symbolizer_file_next_want(c->file, &it, &wants[result->nr_wants]))
		result->nr_wants++;
	r = codec_encode_frames(result, out);
	result->wants = NULL;
	return r;
}

static int answer_frames(struct child *c, const struct symwire_request *request,
			 const struct given *given, struct buf *out)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result result =
		SYMBOLIZER_RESULT_NULL;
	uint64_t begin = clock_mono_ns();
	int r = open_file(c);

	if (r)
		return r;
	take_supplements(c, request, given);
	r = symbolizer_file_frames(c->file, SYMBOLIZER_FILE_OFFSET, (const void *)(request + 1),
				   MIN((size_t)request->nr, c->batch), &result);
	adapt_batch(c, clock_mono_ns() - begin);
	return r ? r : encode(c, &result, out);
}

/* The kernel's own file, if it came along; one that cannot be read is none. */
static void open_vmlinux(struct child *c)
{
	if (c->file || c->debug_fd < 0)
		return;
	if (!symbolizer_file_new(&c->file, c->debug_fd, NULL))
		symbolizer_file_set_memory(c->file, c->memory);
	c->debug_fd = -1;
}

static int answer_kernel(struct child *c, const uint64_t *addresses, size_t nr, struct buf *out)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result result =
		SYMBOLIZER_RESULT_NULL;
	uint64_t begin = clock_mono_ns();
	int r;

	open_vmlinux(c);
	r = symbolizer_kernel_frames(c->file_fd, c->file, addresses,
				     c->file ? MIN(nr, c->batch) : nr, &result);
	adapt_batch(c, clock_mono_ns() - begin);
	return r ? r : codec_encode_frames(&result, out);
}

static int answer_jit(struct child *c, const uint64_t *addresses, size_t nr, struct buf *out)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result result =
		SYMBOLIZER_RESULT_NULL;
	int r = symbolizer_jit_frames(c->file_fd, c->debug_fd, c->demangle, addresses, nr, &result);

	return r ? r : codec_encode_frames(&result, out);
}

/* An answer of its own kind of bound: what the core's slabs could take. */
static int answer_unwind(struct child *c, struct buf *out)
{
	int r = open_file(c);

	out->max = UNWIND_IMAGE_BYTES_MAX;
	return r ? r : symbolizer_file_unwind(c->file, out);
}

static int answer_digest(struct child *c, struct buf *out)
{
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE];
	int r = digest_file(c->file_fd, digest);

	return r ? r : buf_add(out, digest, sizeof(digest));
}

static int answer(struct child *c, const struct symwire_request *request, const struct given *given,
		  struct buf *out)
{
	const uint64_t *addresses = (const void *)(request + 1);

	switch (request->header.type) {
	case SYMWIRE_IDENTITY:
		return answer_identity(c, out);
	case SYMWIRE_FRAMES:
		return answer_frames(c, request, given, out);
	case SYMWIRE_KERNEL:
		return answer_kernel(c, addresses, request->nr, out);
	case SYMWIRE_JIT:
		return answer_jit(c, addresses, request->nr, out);
	case SYMWIRE_UNWIND:
		return answer_unwind(c, out);
	case SYMWIRE_CONTAINERS:
		return containers_parse_file(c->file_fd, out);
	case SYMWIRE_DIGEST:
		return answer_digest(c, out);
	}
	return -EINVAL;
}

static int send_answer(const struct child *c, const struct symwire_request *request,
		       enum symwire_status status, const struct buf *out)
{
	struct wire_header header = wire_header(request->header.type, request->header.id, out->len);
	_cleanup_(closep) int fd = -1;
	int r;

	header.status = status;
	if (status == SYMWIRE_OK) {
		r = sys_memfd("answer", &fd);
		if (!r)
			r = sys_write_all(fd, out->data, out->len);
		if (!r)
			r = sys_seal(fd);
		if (r < 0)
			return r;
	}
	return fdpass_send(c->socket, &header, sizeof(header), NULL, 0, fd);
}

void child_main(const struct sandbox *sandbox, enum symbolizer_demangle demangle, int socket,
		int file_fd, int debug_fd)
{
	static uint64_t message[(sizeof(struct symwire_request) / 8) + SYMWIRE_ADDRESSES_MAX];
	const struct symwire_request *request = (const void *)message;
	struct child c = { .demangle = demangle,
			   .memory = memory_of_file(sandbox),
			   .batch = BATCH_FIRST,
			   .socket = socket,
			   .file_fd = file_fd,
			   .debug_fd = debug_fd };

	if (sandbox_enter(sandbox) < 0)
		_exit(1);
	for (;;) {
		_cleanup_(buf_deinitp) struct buf out = BUF_NULL;
		_cleanup_(given_deinitp) struct given given = { .nr = 0 };
		ssize_t n = fdpass_receive_many(socket, message, sizeof(message), 0, given.fds,
						SYMWIRE_FDS_MAX, &given.nr);
		int r;

		if (n <= 0 || !symwire_check_request(request, (size_t)n) ||
		    given.nr != symwire_nr_fds(request) - (request->has_debug ? 2 : 1))
			_exit(0);
		buf_init(&out, SYMWIRE_ANSWER_MAX);
		r = answer(&c, request, &given, &out);
		if (send_answer(&c, request, status_of(r), &out) < 0)
			_exit(1);
	}
}
