/*
 * The cache of names on disk, damaged: it opens, gives no answer that was not put there, and takes new ones. The first
 * byte says how: the file is the input; a good file with changes; or records with right sums and any content.
 */
#include "agent/base/cleanup.h"
#include "agent/base/log.h"
#include "agent/core/recordlog.h"
#include "agent/core/symdisk.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES 3
#define GENERATION (2u << 20)

static int dir_fd = -1;
static char dir[] = "/dev/shm/fleetprof-fuzz.XXXXXX";

static void clean(void)
{
	unlinkat(dir_fd, "names", 0);
	unlinkat(dir_fd, "names.old", 0);
}

static void remove_dir(void)
{
	clean();
	rmdir(dir);
}

static void prepare(void)
{
	if (dir_fd >= 0)
		return;
	log_init("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	assert(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(dir_fd >= 0);
	atexit(remove_dir);
}

static struct symdisk *open_disk(void)
{
	const struct symdisk_config config = {
		.dir_fd = dir_fd, .build = 1, .max_bytes = 2 * GENERATION, .max_memory = 4096
	};
	struct symdisk *d;

	assert(!symdisk_open(&d, &config));
	return d;
}

static struct symdisk_key key_of(uint8_t file)
{
	return (struct symdisk_key) { .program = { file } };
}

static void put(struct symdisk *d, uint8_t file, uint64_t offset)
{
	struct symdisk_key key = key_of(file);
	char name[32];
	struct symbolizer_frame frame = { .name = name, .system_name = "", .file = "f" };
	struct symbolizer_answer answer = { .nr_frames = 1, .source = SYMBOLIZER_DWARF };
	struct symbolizer_result result = {
		.answers = &answer, .nr_answers = 1, .frames = &frame, .nr_frames = 1
	};

	snprintf(name, sizeof(name), "f%u_%llu", file, (unsigned long long)offset);
	symdisk_put(d, &key, &offset, &result);
}

struct got {
	uint8_t file;
	bool any; /* the content is the input's: it need only be well formed */
	size_t nr;
};

static void on_answer(uint64_t offset, const struct symbolizer_answer *answer,
		      const struct symbolizer_frame *frames, void *userdata)
{
	struct got *got = userdata;
	char name[32];
	size_t bytes = 0;

	for (uint32_t i = 0; i < answer->nr_frames; i++)
		bytes += strlen(frames[i].name) + strlen(frames[i].system_name) +
			 strlen(frames[i].file);
	got->nr += bytes > 0;
	if (got->any)
		return;
	assert(answer->nr_frames == 1);
	snprintf(name, sizeof(name), "f%u_%llu", got->file, (unsigned long long)offset);
	assert(!strcmp(frames[0].name, name));
}

static void use(bool any)
{
	struct symdisk *d = open_disk();

	for (uint8_t file = 0; file < FILES; file++) {
		struct got got = { .file = file, .any = any };
		struct symdisk_key key = key_of(file);

		symdisk_get(d, &key, on_answer, &got);
		put(d, file, 77);
		got.nr = 0;
		symdisk_get(d, &key, on_answer, &got);
		assert(got.nr);
	}
	symdisk_free(d);
}

static void write_file(const void *data, size_t size)
{
	_cleanup_(closep) int fd =
		openat(dir_fd, "names", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

/* Three bytes of input change one of the file. */
static void damage(const uint8_t *data, size_t size)
{
	struct symdisk *d = open_disk();
	_cleanup_(closep) int fd = -1;
	off_t length;

	for (uint64_t i = 0; i < 10; i++)
		put(d, (uint8_t)(i % FILES), i);
	symdisk_free(d);
	fd = openat(dir_fd, "names", O_RDWR | O_CLOEXEC);
	length = lseek(fd, 0, SEEK_END);
	assert(fd >= 0 && length > 0);
	for (size_t i = 0; i + 2 < size; i += 3) {
		off_t at = (data[i] | data[i + 1] << 8) % length;
		uint8_t byte;

		assert(pread(fd, &byte, 1, at) == 1);
		byte ^= data[i + 2];
		assert(pwrite(fd, &byte, 1, at) == 1);
	}
}

static void forge(const uint8_t *data, size_t size)
{
	const struct recordlog_config config = { .dir_fd = dir_fd,
						 .name = "names",
						 .build = 1,
						 .max_bytes = GENERATION,
						 .max_keys = 64,
						 .fresh = true };
	struct symdisk_key names = key_of(0);
	struct recordlog_key key = { .kind = 1 };
	struct recordlog_found found;
	struct recordlog *log;

	assert(!recordlog_open(&log, &config, &found));
	memcpy(key.bytes, &names, sizeof(names));
	assert(!recordlog_append(log, &key, data, size, false));
	recordlog_free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > 65536)
		return 0;
	prepare();
	clean();
	switch (data[0] % 3) {
	case 0:
		write_file(data + 1, size - 1);
		break;
	case 1:
		damage(data + 1, size - 1);
		break;
	case 2:
		forge(data + 1, size - 1);
		break;
	}
	use(data[0] % 3 == 2);
	return 0;
}
