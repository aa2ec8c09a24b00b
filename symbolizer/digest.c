/* The SHA-256 of a file's whole content. */
#include "symbolizer/digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <sys/stat.h>

#define CHUNK (256u << 10)

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* A page that is dirty already takes a mapping's next write without a word; one that was written out does not. */
static int write_out(int fd)
{
	if (!fdatasync(fd) || errno == EINVAL || errno == EROFS) /* nobody can write there */
		return 0;
	return err_last();
}

static int hash(int fd, const struct stat *first, struct sha256_ctx *ctx)
{
	_cleanup_(freep) void *chunk = malloc(CHUNK);
	off_t at = 0;

	if (!chunk)
		return -ENOMEM;
	while (at < first->st_size) {
		ssize_t n = pread(fd, chunk, CHUNK, at);
		struct stat now;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || fstat(fd, &now) < 0)
			return err_last();
		if (!n || !is_unchanged(first, &now))
			return -ESTALE;
		sha256_update(ctx, (size_t)n, chunk);
		at += n;
	}
	return at == first->st_size ? 0 : -ESTALE;
}

int digest_file(int fd, uint8_t ret[SYMBOLIZER_DIGEST_SIZE])
{
	struct sha256_ctx ctx;
	struct stat first;
	int r = write_out(fd);

	if (r < 0)
		return r;
	if (fstat(fd, &first) < 0)
		return err_last();
	sha256_init(&ctx);
	r = hash(fd, &first, &ctx);
	if (!r)
		sha256_digest(&ctx, SYMBOLIZER_DIGEST_SIZE, ret);
	return r;
}
