/*
 * The symbolizer as a library: from an open ELF file to functions, lines and inline chains.
 *
 * Nothing here opens a file by name: every input is a descriptor that the caller opened and checked.
 * The library parses hostile bytes and is meant to run in the sandbox of symbolizer/sandbox.h.
 *
 * Formats: ELF (gABI 4.1), DWARF 2 to 5 (dwarfstd.org), .symtab/.dynsym.
 */
#ifndef FLEETPROF_SYMBOLIZER_SYMBOLIZER_H
#define FLEETPROF_SYMBOLIZER_SYMBOLIZER_H

#include "agent/base/buf.h"
#include "agent/base/cleanup.h"
#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One function of the answer for an address. Strings are never NULL; they stay as long as the result does, and until
 * the next question to the same file.
 */
struct symbolizer_frame {
	const char *name; /* demangled; never empty */
	const char *system_name; /* the linker's name */
	const char *file; /* source path, "" if unknown */
	uint32_t
		line; /* line executed (or of the call, for a frame with inlined callees); 0: unknown */
	uint32_t column;
	uint32_t start_line; /* where the function is declared; 0: unknown */
	bool inlined; /* inlined into the next frame of the same address */
};

/* Where an address's answer came from, best first. */
enum symbolizer_source {
	SYMBOLIZER_NONE = 0, /* no name: the caller falls back to file and address */
	SYMBOLIZER_SYMTAB, /* name only */
	SYMBOLIZER_DWARF, /* name, line, inlined functions */
	SYMBOLIZER_GOPCLNTAB,
	SYMBOLIZER_PERF_MAP,
	SYMBOLIZER_KALLSYMS,
	SYMBOLIZER_JITDUMP,
};

/* What an answer lacks, mostly because the memory did not suffice for it: a set of bits. */
enum symbolizer_less {
	SYMBOLIZER_LESS_INLINES = 1, /* only the function itself */
	SYMBOLIZER_LESS_LINES = 2,
	SYMBOLIZER_LESS_FUNCTIONS = 4, /* debug information is there and was not read */
	SYMBOLIZER_LESS_FILES = 8, /* a file that knows more was not given, see symbolizer_want */
	SYMBOLIZER_LESS_ALL = 15, /* all of the bits */
};

struct symbolizer_answer {
	uint32_t first_frame; /* index into frames; innermost inlined function first */
	uint32_t nr_frames; /* 0 with SYMBOLIZER_NONE */
	uint64_t vaddr; /* the address in the ELF's own space, for a normalized pprof location */
	enum symbolizer_source source;
	uint8_t less; /* enum symbolizer_less */
};

#define SYMBOLIZER_BUILD_ID_MAX 128

/* Files that hold a part of a file's debug information. */
enum symbolizer_supplement {
	SYMBOLIZER_SUPPLEMENT_DEBUG, /* all of it, and the whole symbol table: a separate debug file */
	SYMBOLIZER_SUPPLEMENT_ALT, /* what dwz shares between files: .gnu_debugaltlink */
	SYMBOLIZER_SUPPLEMENT_SPLIT, /* units of split DWARF: a .dwo, or a .dwp with all of them */
};

/* A file that the answers to the last question would have been better with. Strings stay until the next one. */
struct symbolizer_want {
	enum symbolizer_supplement kind; /* ALT or SPLIT */
	const char *path; /* as the file says; a hostile string */
	const char *directory; /* what a relative path of a .dwo counts from; "" */
	uint32_t id_len;
	uint8_t id[SYMBOLIZER_BUILD_ID_MAX]; /* build ID that it must have, of ALT */
	uint64_t dwo_id; /* of SPLIT */
};

struct symbolizer_result {
	struct symbolizer_answer *answers; /* one per address asked, in the order asked */
	size_t nr_answers;
	struct symbolizer_frame *frames;
	size_t nr_frames;
	/* In the client's results only; of the library's, symbolizer_file_next_want() tells. */
	struct symbolizer_want *wants;
	size_t nr_wants;
	void *owner; /* private: the strings' memory */
};
#define SYMBOLIZER_RESULT_NULL ((struct symbolizer_result) { .answers = NULL })
void symbolizer_result_deinit(struct symbolizer_result *result);
DEFINE_CLEANUP_EMBEDDED(struct symbolizer_result, symbolizer_result_deinit)

/* Where addresses come from. */
enum symbolizer_space {
	SYMBOLIZER_FILE_OFFSET, /* byte offsets into the file, as in FRAME_FILE words */
	SYMBOLIZER_VADDR, /* addresses of the ELF's own space, as addr2line takes them */
};

enum symbolizer_build_id_kind {
	SYMBOLIZER_BUILD_ID_NONE,
	SYMBOLIZER_BUILD_ID_GNU,
	SYMBOLIZER_BUILD_ID_GO
};

#define SYMBOLIZER_DEBUGLINK_MAX 256

#define SYMBOLIZER_DIGEST_SIZE 32 /* SHA-256 of a file's content */

struct symbolizer_identity {
	enum symbolizer_build_id_kind build_id_kind;
	uint32_t build_id_len;
	uint8_t build_id[SYMBOLIZER_BUILD_ID_MAX]; /* GNU: raw bytes; Go: the text */
	uint16_t elf_type, elf_machine; /* ET_…, EM_… */
	bool has_symtab, has_dwarf, has_debuglink;
	bool has_debug_frame; /* call frames for debuggers: in the file, or in the debug file that it was given */
	bool has_debug_file; /* it was given one, and that is the file's */
	char debuglink
		[SYMBOLIZER_DEBUGLINK_MAX]; /* file name of .gnu_debuglink; "" if there is none */
	uint32_t debuglink_crc; /* of that file */
};

/* How demangled names look; SHORT: without parameters and template arguments. */
enum symbolizer_demangle {
	SYMBOLIZER_DEMANGLE_FULL,
	SYMBOLIZER_DEMANGLE_SHORT,
	SYMBOLIZER_DEMANGLE_NONE
};

struct symbolizer_file;

/*
 * Reads the ELF behind fd (kept open by the caller as long as the file lives).
 * Returns 0, SYMBOLIZER_E_NOT_ELF, SYMBOLIZER_E_BROKEN (err says what), or -errno.
 */
enum { SYMBOLIZER_E_NOT_ELF = 1, SYMBOLIZER_E_BROKEN = 2, SYMBOLIZER_E_UNWANTED = 3 };
int symbolizer_file_new(struct symbolizer_file **ret, int fd, struct err *err);
struct symbolizer_file *symbolizer_file_free(struct symbolizer_file *file);
DEFINE_CLEANUP(struct symbolizer_file *, symbolizer_file_free)

void symbolizer_file_identity(const struct symbolizer_file *file, struct symbolizer_identity *ret);

/*
 * The most bytes that what is read from the file may take, its mapped pages apart, which stay below
 * SYMBOLIZER_MAPPED_MAX. To be set before the first question. Answers get shorter near it, see symbolizer_less.
 */
#define SYMBOLIZER_MEMORY_DEFAULT (64u << 20)
#define SYMBOLIZER_MAPPED_MAX (12u << 20)
void symbolizer_file_set_memory(struct symbolizer_file *file, size_t max);

/* The files that are wanted. Start with *it = 0; false at the end. */
bool symbolizer_file_next_want(struct symbolizer_file *file, size_t *it,
			       struct symbolizer_want *ret);

/*
 * Gives the file one of its supplements; fd stays the caller's, and must stay as long as the file for DEBUG, which has
 * to come first. Returns 0, SYMBOLIZER_E_NOT_ELF, SYMBOLIZER_E_BROKEN, SYMBOLIZER_E_UNWANTED (its build ID, the CRC of
 * a debug link, or its units are not those that this file names, or it has one already), -ENOMEM, -ENOSPC. Strings of answers before are gone.
 */
int symbolizer_file_set_supplement(struct symbolizer_file *file, enum symbolizer_supplement kind,
				   int fd, struct err *err);

struct symbolizer_stats {
	size_t memory_used, memory_peak, memory_max;
	uint64_t units_read, units_evicted; /* of debug information */
	uint64_t less_inlines, less_lines, less_functions; /* answers that lack them */
	uint32_t sections_refused; /* compressed ones that do not fit, or are broken */
};
void symbolizer_file_stats(const struct symbolizer_file *file, struct symbolizer_stats *ret);

void symbolizer_file_set_demangle(struct symbolizer_file *file, enum symbolizer_demangle how);

/*
 * Names nr addresses. Any order; sorted is fastest: work is batched by compilation unit.
 * An address that cannot be named is an answer with SYMBOLIZER_NONE, not an error.
 */
int symbolizer_file_frames(struct symbolizer_file *file, enum symbolizer_space space,
			   const uint64_t *addresses, size_t nr, struct symbolizer_result *ret);

/*
 * Builds the file's unwind table (proto/unwind_image.h) into out, which is empty and can hold UNWIND_IMAGE_BYTES_MAX:
 * from .eh_frame, and where that says nothing from .debug_frame, of the debug file that it was given or of itself.
 * Returns 0, SYMBOLIZER_E_NOT_ELF (no 64-bit program of a machine whose stacks are walked), or -errno.
 */
int symbolizer_file_unwind(struct symbolizer_file *file, struct buf *out);

/*
 * As symbolizer_file_frames() for kernel addresses, from the text of /proc/kallsyms behind kallsyms_fd (modules and BPF
 * programs too), which is read from its beginning, once a question, and not kept. vmlinux: the kernel's own file with
 * debug information, for lines and inlined functions, or NULL; that it is of this kernel is the caller's to see.
 */
int symbolizer_kernel_frames(int kallsyms_fd, struct symbolizer_file *vmlinux,
			     const uint64_t *addresses, size_t nr, struct symbolizer_result *ret);

/* The value of a symbol of .symtab; false: there is none of that name. */
bool symbolizer_file_symbol(const struct symbolizer_file *file, const char *name, uint64_t *ret);

/*
 * As above for addresses of code that a runtime generated, ascending, from a file that the runtime writes of it: a
 * perf map (linux/tools/perf/Documentation/jit-interface.txt) or a jitdump (jitdump-specification.txt). What it does not
 * know is looked for in second_fd, if that is not -1. Code that was replaced goes by its latest name. Nothing is kept:
 * the files are read once, from their beginning.
 */
int symbolizer_jit_frames(int fd, int second_fd, enum symbolizer_demangle how,
			  const uint64_t *addresses, size_t nr, struct symbolizer_result *ret);

#endif
