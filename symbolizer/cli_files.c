/* The files that the command line opens. */
#include "symbolizer/cli_files.h"
#include "symbolizer/debug_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int cli_open_regular(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_last();
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

int cli_give_debug_file(struct symbolizer_file *file, const char *path)
{
	char paths[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES];
	_cleanup_(freep) char *real = realpath(path, NULL);
	struct symbolizer_identity identity;
	size_t nr;

	symbolizer_file_identity(file, &identity);
	nr = identity.has_dwarf ? 0 : debug_paths(&identity, real ? real : "", paths);
	for (size_t i = 0; i < nr; i++) {
		_cleanup_(closep) int fd = cli_open_regular(paths[i]);

		if (fd >= 0 &&
		    !symbolizer_file_set_supplement(file, SYMBOLIZER_SUPPLEMENT_DEBUG, fd, NULL))
			return TAKE_FD(fd);
	}
	return -1;
}

/* The first of the paths that has a file which is the program's. */
static bool give(struct symbolizer_file *file, enum symbolizer_supplement kind,
		 char (*paths)[DEBUG_PATH_BYTES], size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		_cleanup_(closep) int fd = cli_open_regular(paths[i]);

		if (fd >= 0 && !symbolizer_file_set_supplement(file, kind, fd, NULL))
			return true;
	}
	return false;
}

/* Paths of one want, copied: giving a file takes the wants' strings away. */
struct wanted {
	enum symbolizer_supplement kind;
	char paths[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES];
	size_t nr;
};

static size_t list(struct symbolizer_file *file, const char *program, const char *debug,
		   struct wanted **ret)
{
	struct symbolizer_want want;
	size_t nr = 0;

	for (size_t it = 0; symbolizer_file_next_want(file, &it, &want);) {
		struct wanted *more = reallocarray(*ret, nr + 1, sizeof(*more));

		if (!more)
			break;
		*ret = more;
		more[nr].kind = want.kind;
		more[nr].nr = debug_paths_of_want(&want, program, debug, more[nr].paths);
		nr++;
	}
	return nr;
}

bool cli_give_wanted(struct symbolizer_file *file, const char *path, int debug_fd, bool *package)
{
	char packages[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES], link[32];
	_cleanup_(freep) char *real = realpath(path, NULL), *debug = NULL;
	_cleanup_(freep) struct wanted *wanted = NULL;
	bool given = false, split = false;
	size_t nr;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", debug_fd);
	debug = debug_fd < 0 ? NULL : realpath(link, NULL);
	nr = list(file, real ? real : "", debug ? debug : "", &wanted);
	for (size_t i = 0; i < nr; i++) {
		given |= give(file, wanted[i].kind, wanted[i].paths, wanted[i].nr);
		split |= wanted[i].kind == SYMBOLIZER_SUPPLEMENT_SPLIT;
	}
	if (given || !split || *package)
		return given;
	*package = give(file, SYMBOLIZER_SUPPLEMENT_SPLIT, packages,
			debug_paths_of_package(real ? real : "", packages));
	return *package;
}
