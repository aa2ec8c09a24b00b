/* Names of generated code. */
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

size_t jit_names_offer(struct jit_names *n, uint64_t start, uint64_t size,
		       const struct jit_hit *hit)
{
	size_t first = first_not_below(n, start), i = first;

	for (; i < n->nr && n->addresses[i] - start < size; i++) {
		n->hits[i] = *hit;
		n->hits[i].start = start;
	}
	return i - first;
}

static int add_frame(const struct jit_hit *hit, uint64_t address, struct result *result)
{
	char raw[NAME_BYTES_MAX], text[NAME_BYTES_MAX];
	size_t len = MIN(hit->name_len, sizeof(raw) - 1);
	struct symbolizer_frame frame = { .name = text, .system_name = raw, .file = "" };

	memcpy(raw, hit->name, len);
	raw[len] = '\0';
	memcpy(text, raw, len + 1);
	perfmap_split_name(text, &frame);
	if (hit->lines)
		jitdump_line(hit, address, &frame.file, &frame.line);
	return result_add_frame(result, &frame);
}

static int build(const struct jit_names *names, enum symbolizer_source source,
		 struct symbolizer_result *ret)
{
	_cleanup_(result_freep) struct result *result = NULL;
	int r = result_new(&result, names->nr);

	for (size_t i = 0; i < names->nr && !r; i++) {
		struct symbolizer_answer a = { .first_frame = result_frames(result),
					       .vaddr = names->addresses[i] };

		if (names->hits[i].name_len) {
			a.source = source;
			r = add_frame(&names->hits[i], names->addresses[i], result);
		}
		result_set_answer(result, i, &a);
	}
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	return 0;
}

static int read_names(struct jit_names *names, const void *data, size_t size,
		      struct symbolizer_result *ret)
{
	if (jitdump_is(data, size)) {
		jitdump_read(names, data, size);
		return build(names, SYMBOLIZER_JITDUMP, ret);
	}
	perfmap_read(names, data, size);
	return build(names, SYMBOLIZER_PERF_MAP, ret);
}

int symbolizer_jit_frames(int fd, const uint64_t *addresses, size_t nr,
			  struct symbolizer_result *ret)
{
	_cleanup_(freep) struct jit_hit *hits = calloc(nr + 1, sizeof(*hits));
	struct jit_names names = { .addresses = addresses, .nr = nr, .hits = hits };
	struct stat st;
	void *data;
	int r;

	if (!hits)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return err_last();
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return -EFBIG;
	if (!st.st_size)
		return build(&names, SYMBOLIZER_PERF_MAP, ret);
	/* A file that is truncated while it is mapped gives SIGBUS, which the supervisor knows how to read. */
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_last();
	r = read_names(&names, data, (size_t)st.st_size, ret);
	munmap(data, (size_t)st.st_size);
	return r;
}
