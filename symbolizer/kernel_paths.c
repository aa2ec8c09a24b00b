/* Where the kernel's own file may lie. */
#include "symbolizer/kernel_paths.h"
#include "agent/base/cleanup.h"
#include "symbolizer/reader.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

static size_t padded(uint32_t size)
{
	return ((size_t)size + 3) & ~(size_t)3;
}

uint32_t kernel_build_id(const void *notes, size_t size, uint8_t ret[SYMBOLIZER_BUILD_ID_MAX])
{
	struct reader r = reader_of(notes, size);

	while (!r.failed && reader_left(&r)) {
		uint32_t name_size = reader_u32(&r), id_size = reader_u32(&r);
		uint32_t type = reader_u32(&r);
		struct reader name = reader_part(&r, padded(name_size));
		struct reader id = reader_part(&r, padded(id_size));

		if (r.failed || type != NT_GNU_BUILD_ID || name_size != 4 ||
		    memcmp(name.at, "GNU", 4) != 0 || !id_size || id_size > SYMBOLIZER_BUILD_ID_MAX)
			continue;
		memcpy(ret, id.at, id_size);
		return id_size;
	}
	return 0;
}

size_t kernel_paths(const uint8_t *build_id, uint32_t len, const char *release,
		    char (*ret)[DEBUG_PATH_BYTES])
{
	static const char *const customs[] = {
		"/usr/lib/debug/boot/vmlinux-%s", /* Debian, Ubuntu */
		"/usr/lib/debug/lib/modules/%s/vmlinux", /* Fedora, Red Hat */
		"/usr/lib/debug/usr/lib/modules/%s/vmlinux", /* SUSE */
		"/boot/vmlinux-%s",
		"/lib/modules/%s/vmlinux",
		"/lib/modules/%s/build/vmlinux", /* who built it himself */
	};
	struct symbolizer_identity identity = { .build_id_kind = SYMBOLIZER_BUILD_ID_GNU,
						.build_id_len = len };
	size_t nr;

	_Static_assert(ARRAY_SIZE(customs) + 1 <= KERNEL_PATHS_MAX, "each has a place");
	memcpy(identity.build_id, build_id, len);
	nr = debug_paths(&identity, "", ret);
	for (size_t i = 0; i < ARRAY_SIZE(customs) && !strchr(release, '/'); i++) {
		int n = snprintf(ret[nr], DEBUG_PATH_BYTES, customs[i], release);

		nr += n > 0 && n < DEBUG_PATH_BYTES;
	}
	return nr;
}
