/* Names of generated code. */
#include "symbolizer/demangle.h"
#include "symbolizer/jit.h"
#include "symbolizer/result.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1LL << 30)
#define NAME_BYTES_MAX 4096

static size_t first_not_below(const struct jit_names *n, uint64_t address)
{
	size_t lo = 0, hi = n->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (n->addresses[mid] < address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t jit_names_offer(struct jit_names *n, const struct jit_hit *hit)
{
	size_t first, i;

	/* Most code of a large file is not wanted. */
	if (!n->nr || hit->start > n->addresses[n->nr - 1])
		return 0;
	first = i = first_not_below(n, hit->start);
	for (; i < n->nr && n->addresses[i] - hit->start < hit->size; i++)
		n->hits[i] = *hit;
	return i - first;
}

static int add_frame(const struct jit_hit *hit, uint64_t address, enum symbolizer_demangle how,
		     struct result *result)
{
	char raw[NAME_BYTES_MAX], text[NAME_BYTES_MAX];
	_cleanup_(freep) char *demangled = NULL;
	size_t len = MIN(hit->name_len, sizeof(raw) - 1);
	struct symbolizer_frame frame = { .name = text, .system_name = raw, .file = "" };

	memcpy(raw, hit->name, len);
	raw[len] = '\0';
	memcpy(text, raw, len + 1);
	demangled = demangle(raw, how);
	if (demangled)
		frame.name = demangled;
	else
		perfmap_split_name(text, &frame);
	if (hit->lines)
		jitdump_line(hit, address, &frame);
	return result_add_frame(result, &frame);
}

static int build(const struct jit_names *names, enum symbolizer_demangle how,
		 struct symbolizer_result *ret)
{
	_cleanup_(result_freep) struct result *result = NULL;
	int r = result_new(&result, names->nr);

	for (size_t i = 0; i < names->nr && !r; i++) {
		struct symbolizer_answer a = { .first_frame = result_frames(result),
					       .vaddr = names->addresses[i] };

		if (names->hits[i].name_len) {
			a.source = names->hits[i].source;
			r = add_frame(&names->hits[i], names->addresses[i], how, result);
		}
		result_set_answer(result, i, &a);
	}
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	return 0;
}

/* A file's bytes. One that is truncated while it is mapped gives SIGBUS, which the supervisor knows how to read. */
struct bytes {
	void *data; /* NULL: none */
	size_t size;
};
#define BYTES_NULL ((struct bytes) { .data = NULL })

static void bytes_deinit(struct bytes *b)
{
	if (b->data)
		munmap(b->data, b->size);
}
DEFINE_CLEANUP_EMBEDDED(struct bytes, bytes_deinit)

static int map_file(int fd, struct bytes *ret)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) < 0)
		return err_last();
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return -EFBIG;
	if (!st.st_size)
		return 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_last();
	*ret = (struct bytes) { .data = data, .size = (size_t)st.st_size };
	return 0;
}

static int read_names(struct jit_names *names, int fd, struct bytes *ret)
{
	int r = map_file(fd, ret);

	if (r || !ret->data)
		return r;
	if (jitdump_is(ret->data, ret->size))
		jitdump_read(names, ret->data, ret->size);
	else
		perfmap_read(names, ret->data, ret->size);
	return 0;
}

static int read_second(struct jit_names *names, int fd, struct bytes *ret)
{
	_cleanup_(freep) struct jit_hit *hits = calloc(names->nr + 1, sizeof(*hits));
	struct jit_names second = { .addresses = names->addresses, .nr = names->nr, .hits = hits };
	int r;

	if (!hits)
		return -ENOMEM;
	r = read_names(&second, fd, ret);
	for (size_t i = 0; i < names->nr && !r; i++) {
		if (!names->hits[i].name_len)
			names->hits[i] = hits[i];
	}
	return r;
}

int symbolizer_jit_frames(int fd, int second_fd, enum symbolizer_demangle how,
			  const uint64_t *addresses, size_t nr, struct symbolizer_result *ret)
{
	_cleanup_(freep) struct jit_hit *hits = calloc(nr + 1, sizeof(*hits));
	_cleanup_(bytes_deinitp) struct bytes first = BYTES_NULL, second = BYTES_NULL;
	struct jit_names names = { .addresses = addresses, .nr = nr, .hits = hits };
	int r;

	if (!hits)
		return -ENOMEM;
	r = read_names(&names, fd, &first);
	if (!r && second_fd >= 0)
		r = read_second(&names, second_fd, &second);
	return r ? r : build(&names, how, ret);
}
