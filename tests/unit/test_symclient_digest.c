/* A file's digest on its way: a sandboxed child hashes it, the client hands it out. */
#include "symbolizer/digest.h"
#include "tests/fixtures/supervised.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG ((3u << 20) + 17) /* some chunks, the last of them not whole */

struct answer {
	bool given;
	enum symclient_status status;
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE];
};

static void on_digest(enum symclient_status status, const uint8_t digest[SYMBOLIZER_DIGEST_SIZE],
		      void *userdata)
{
	struct answer *a = userdata;

	a->given = true;
	a->status = status;
	CHECK(!digest == (status != SYMCLIENT_OK));
	if (digest)
		memcpy(a->digest, digest, sizeof(a->digest));
}

static void ask(struct loop *loop, struct symclient *client, int fd, struct answer *ret)
{
	static uint64_t key;
	struct symclient_file file = { .key = ++key, .owner = 1, .fd = fd };

	*ret = (struct answer) { .given = false };
	CHECK_INT(symclient_digest(client, &file, on_digest, ret), 0);
	while (!ret->given)
		CHECK(loop_run_once(loop, 15000) >= 0);
}

/* A file of these bytes, its position at the end. */
static int file_of(const void *bytes, size_t size)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	return fd;
}

static void check_digest(struct loop *loop, struct symclient *client, const void *bytes,
			 size_t size)
{
	_cleanup_(closep) int fd = file_of(bytes, size);
	uint8_t expected[SYMBOLIZER_DIGEST_SIZE], direct[SYMBOLIZER_DIGEST_SIZE];
	struct answer a;

	CHECK_INT(EVP_Digest(bytes, size, expected, NULL, EVP_sha256(), NULL), 1);
	CHECK_INT(digest_file(fd, direct), 0);
	CHECK(!memcmp(direct, expected, sizeof(expected)));
	if (!client)
		return;
	ask(loop, client, fd, &a);
	CHECK_INT(a.status, SYMCLIENT_OK);
	CHECK(!memcmp(a.digest, expected, sizeof(expected)));
}

/* The well-known digest of "abc" (FIPS 180-2, B.1), that of nothing, and that of a file of some chunks. */
static void check_all(struct loop *loop, struct symclient *client)
{
	static const uint8_t abc[4] = { 0xba, 0x78, 0x16, 0xbf };
	_cleanup_(closep) int fd = file_of("abc", 3);
	_cleanup_(freep) uint8_t *big = malloc(BIG);
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE];

	CHECK_INT(digest_file(fd, digest), 0);
	CHECK(!memcmp(digest, abc, sizeof(abc)));
	CHECK(big);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 31 + i / 251);
	check_digest(loop, client, "", 0);
	check_digest(loop, client, "abc", 3);
	check_digest(loop, client, big, BIG);
}

/* Somebody writes all the time: that is seen, sooner or later. */
static void check_change(void)
{
	_cleanup_(freep) uint8_t *big = calloc(1, BIG);
	_cleanup_(closep) int fd = file_of(big, BIG);
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE];
	pid_t parent = getpid(), writer = fork();

	CHECK(writer >= 0);
	while (!writer) {
		if (pwrite(fd, "x", 1, 0) != 1 || getppid() != parent)
			_exit(1);
	}
	while (digest_file(fd, digest) != -ESTALE)
		;
	kill(writer, SIGKILL);
	CHECK_INT(waitpid(writer, NULL, 0), writer);
}

int main(void)
{
	struct supervised s = { .status = STATUS_NONE };

	check_all(NULL, NULL);
	check_change();
	if (SANITIZED)
		SKIP("the sanitizers' own system calls are not allowed in the sandbox");
	supervised_start(&s);
	check_all(s.loop, s.client);
	supervised_stop(&s);
	return 0;
}
