/* Which kernel is running, by its notes, and where its own file is looked for. */
#include "symbolizer/kernel_paths.h"
#include "tests/test.h"

static uint8_t notes[256], id[SYMBOLIZER_BUILD_ID_MAX];

/* A note of size bytes at notes + at; returns where the next one begins. */
static size_t put_note(size_t at, uint32_t type, const char *name, uint32_t name_size,
		       const void *data, uint32_t size)
{
	const uint32_t head[] = { name_size, size, type };

	memcpy(notes + at, head, sizeof(head));
	at += sizeof(head);
	memcpy(notes + at, name, name_size);
	at += (name_size + 3) / 4 * 4;
	memcpy(notes + at, data, size);
	return at + (size + 3) / 4 * 4;
}

static void test_build_id(void)
{
	size_t at = put_note(0, 257, "Xen", 4, "", 1); /* before it, others */
	size_t end;

	at = put_note(at, 3, "Xen", 4, "abcd", 4);
	end = put_note(at, 3, "GNU", 4, "0123456789abcdefghij", 20);
	CHECK_INT(kernel_build_id(notes, end, id), 20);
	CHECK(!memcmp(id, "0123456789abcdefghij", 20));
	for (size_t size = 0; size < end; size++)
		CHECK_INT(kernel_build_id(notes, size, id), 0);
}

static void test_malformed_notes(void)
{
	size_t end = put_note(0, 3, "GNU", 4, "0123", 4);
	uint32_t far = UINT32_MAX;

	CHECK_INT(kernel_build_id(notes, end, id), 4);
	for (size_t field = 0; field < 8; field += 4) {
		end = put_note(0, 3, "GNU", 4, "0123", 4);
		memcpy(notes + field, &far, sizeof(far));
		CHECK_INT(kernel_build_id(notes, end, id), 0);
	}
	end = put_note(0, 3, "GNU", 4, "", 0);
	CHECK_INT(kernel_build_id(notes, end, id), 0);
	CHECK_INT(kernel_build_id(notes, 0, id), 0);
}

static void test_paths(void)
{
	static char paths[KERNEL_PATHS_MAX][DEBUG_PATH_BYTES];
	size_t nr = kernel_paths((const uint8_t *)"\1\2\3", 3, "6.1.0-42-amd64", paths);

	CHECK_INT(nr, 7);
	CHECK_STR(paths[0], "/usr/lib/debug/.build-id/01/0203.debug");
	CHECK_STR(paths[1], "/usr/lib/debug/boot/vmlinux-6.1.0-42-amd64");
	CHECK_STR(paths[2], "/usr/lib/debug/lib/modules/6.1.0-42-amd64/vmlinux");
	CHECK_STR(paths[6], "/lib/modules/6.1.0-42-amd64/build/vmlinux");
	CHECK_INT(kernel_paths((const uint8_t *)"\1\2\3", 3, "../../etc", paths), 1);
}

int main(void)
{
	RUN(test_build_id);
	RUN(test_malformed_notes);
	RUN(test_paths);
	return 0;
}
