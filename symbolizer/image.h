/*
 * The debug sections of one ELF file: mapped, so that reading costs no copy, and counted, so that what is mapped does
 * not pile up in memory. Library-private.
 *
 * A page of the file that was read stays in the process until it is given back. The image keeps a bit for every 64 KiB
 * that may be resident (the kernel maps that much around a fault); all images of one mem give everything back when they
 * have SYMBOLIZER_MAPPED_MAX together. Pointers into a section stay good: the next read brings the page in again.
 *
 * Compressed sections (gABI's SHF_COMPRESSED with zlib or zstd, GNU's .zdebug_) are unpacked whole, into memory that
 * counts; those that do not fit are refused before a byte of them is read: first the lines', then all of them. So are an
 * object file's, which are copied to be relocated.
 */
#ifndef FLEETPROF_SYMBOLIZER_IMAGE_H
#define FLEETPROF_SYMBOLIZER_IMAGE_H

#include "agent/base/cleanup.h"
#include "symbolizer/mem.h"
#include "symbolizer/reader.h"

#include <libelf.h>

enum image_section {
	IMAGE_ABBREV,
	IMAGE_ADDR,
	IMAGE_ARANGES,
	IMAGE_CU_INDEX,
	IMAGE_FRAME,
	IMAGE_INFO,
	IMAGE_LINE,
	IMAGE_LINE_STR,
	IMAGE_RANGES,
	IMAGE_RNGLISTS,
	IMAGE_STR,
	IMAGE_STR_OFFSETS,
	IMAGE_ALTLINK, /* .gnu_debugaltlink: the name and build ID of dwz's shared file */
	IMAGE_NR_SECTIONS
};

struct section {
	const uint8_t *data; /* NULL: not there, or refused */
	size_t size;
};

struct image;

/* fd and elf (of the same file) outlive the image. dwo: the sections named .debug_X.dwo. */
int image_new(struct image **ret, int fd, Elf *elf, bool dwo, struct mem *mem);
struct image *image_free(struct image *image);
DEFINE_CLEANUP(struct image *, image_free)

/* Unpacked when it is first asked for; an empty section when it is not there or cannot be had. */
struct section image_section(struct image *image, enum image_section which);

/* Is it there, unpacked or not? */
bool image_has(const struct image *image, enum image_section which);

/* The whole file as it is mapped; NULL when it is of another byte order, or empty. */
const uint8_t *image_bytes(const struct image *image, size_t *ret_size);

/* To be called before size bytes at data, of one of the sections or of the file, are read. */
void image_touch(struct image *image, const void *data, size_t size);

/* Was it there, and could not be had: too large for the ceiling, or broken? */
bool image_lacks(const struct image *image, enum image_section which);

/* How many sections of that kind there were. */
uint32_t image_refused(const struct image *image);

#endif
