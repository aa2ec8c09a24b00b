/* The command line of the symbolizer. */
#include "symbolizer/cli.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "symbolizer/cli_files.h"
#include "symbolizer/cli_unwind.h"
#include "symbolizer/demangle.h"
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define EXIT_USAGE 2
#define SUPPLEMENTS_MAX 1024
#define ROUNDS_MAX 256 /* of looking for files that answers want */
#define BATCH_MAX (1u << 20) /* bytes of standard input that are one batch */

struct supplement {
	enum symbolizer_supplement kind;
	const char *path;
};

struct cli {
	const char *path, *kallsyms;
	struct supplement supplements[SUPPLEMENTS_MAX];
	size_t nr_supplements;
	uint64_t memory_mib; /* 0: the library's default */
	enum symbolizer_space space;
	enum symbolizer_demangle demangle;
	bool addresses, no_inlines, stats;
};

static const char help[] =
	"usage: fleetprof-symbolizer -e FILE [OPTION…] [ADDRESS…]\n"
	"       fleetprof-symbolizer --unwind FILE [DEBUG-FILE]\n"
	"\n"
	"Prints, for each hexadecimal ADDRESS (or each line of standard input), the function and file:line,\n"
	"innermost inlined function first, and an empty line behind each address.\n"
	"\n"
	"  -e, --exe FILE       the ELF file\n"
	"      --debug FILE     its separate debug file (else by build ID or debug link, where GDB looks)\n"
	"      --alt FILE       what dwz shares between debug files (else where they say)\n"
	"      --split FILE     a .dwo or .dwp of split DWARF; several may be given (else where the file says, and FILE.dwp)\n"
	"      --kallsyms FILE  addresses are a running kernel's: FILE has its symbols, the ELF file is its vmlinux\n"
	"      --offsets        addresses are offsets into the file, not the ELF's own addresses\n"
	"  -a, --addresses      print each address first\n"
	"      --no-inlines     only the outermost function\n"
	"      --demangle HOW   full (default), short or none\n"
	"      --memory MIB     the most memory for what is read from the files (default 64)\n"
	"      --stats          at the end, on standard error: memory, counters, files that are missing\n"
	"  -h, --help           this text\n"
	"\n"
	"With --unwind, prints the rows of the file's unwind table, by offset into the file.\n";

static const struct option options[] = {
	{ "exe", required_argument, NULL, 'e' },
	{ "debug", required_argument, NULL, 'D' },
	{ "alt", required_argument, NULL, 'A' },
	{ "split", required_argument, NULL, 'S' },
	{ "memory", required_argument, NULL, 'm' },
	{ "stats", no_argument, NULL, 's' },
	{ "offsets", no_argument, NULL, 'o' },
	{ "addresses", no_argument, NULL, 'a' },
	{ "no-inlines", no_argument, NULL, 'n' },
	{ "demangle", required_argument, NULL, 'd' },
	{ "kallsyms", required_argument, NULL, 'k' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

enum { CLI_E_HELP = 1 };

static int add_supplement(struct cli *cli, enum symbolizer_supplement kind, const char *path)
{
	if (cli->nr_supplements == SUPPLEMENTS_MAX) {
		log_error("%s: no more than %d files beside the first", path, SUPPLEMENTS_MAX);
		return -EINVAL;
	}
	cli->supplements[cli->nr_supplements++] =
		(struct supplement) { .kind = kind, .path = path };
	return 0;
}

static int parse_value(struct cli *cli, int option, const char *value)
{
	switch (option) {
	case 'e':
		cli->path = value;
		return 0;
	case 'k':
		cli->kallsyms = value;
		return 0;
	case 'D':
		return add_supplement(cli, SYMBOLIZER_SUPPLEMENT_DEBUG, value);
	case 'A':
		return add_supplement(cli, SYMBOLIZER_SUPPLEMENT_ALT, value);
	case 'S':
		return add_supplement(cli, SYMBOLIZER_SUPPLEMENT_SPLIT, value);
	case 'm':
		if (!sys_parse_u64(value, 10, 1, 1 << 20, &cli->memory_mib))
			return 0;
		log_error("--memory %s: a number of MiB from 1 on", value);
		return -EINVAL;
	case 'd':
		if (!demangle_parse(value, &cli->demangle))
			return 0;
		log_error("--demangle %s: choose full, short or none", value);
		return -EINVAL;
	}
	return -EINVAL;
}

static int parse(struct cli *cli, int argc, char **argv)
{
	int c, r = 0;

	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, "e:ah", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			cli->space = SYMBOLIZER_FILE_OFFSET;
			break;
		case 'a':
			cli->addresses = true;
			break;
		case 'n':
			cli->no_inlines = true;
			break;
		case 's':
			cli->stats = true;
			break;
		case 'h':
			return CLI_E_HELP;
		case '?':
			log_error("unknown option or missing value: %s (see --help)",
				  argv[optind - 1]);
			return -EINVAL;
		default:
			r = parse_value(cli, c, optarg);
		}
	}
	if (!r && !cli->path) {
		log_error("which file? (-e FILE; see --help)");
		return -EINVAL;
	}
	return r;
}

/* Nobody else prints, and most of what is printed are names: no format is read for them. */
static void print_frame(const struct symbolizer_frame *frame)
{
	char line[16]; /* ":4294967295\n" */
	char *at = &line[sizeof(line) - 1];
	uint32_t left = frame->line;

	*at = '\0';
	*--at = '\n';
	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	*--at = ':';
	fputs_unlocked(frame->name, stdout);
	putc_unlocked('\n', stdout);
	fputs_unlocked(*frame->file ? frame->file : "??", stdout);
	fputs_unlocked(at, stdout);
}

static void print_answer(const struct cli *cli, uint64_t address,
			 const struct symbolizer_result *result, size_t i)
{
	const struct symbolizer_answer *answer = &result->answers[i];
	uint32_t first = 0;

	if (cli->addresses)
		printf("0x%" PRIx64 "\n", address);
	if (!answer->nr_frames)
		printf("??\n??:0\n");
	else if (cli->no_inlines)
		first = answer->nr_frames - 1;
	for (uint32_t j = first; j < answer->nr_frames; j++)
		print_frame(&result->frames[answer->first_frame + j]);
	putc_unlocked('\n', stdout);
}

static int parse_address(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 16);
	if (end != text && !*end && !errno && *text != '-')
		return 0;
	log_error("%s: not a hexadecimal address", text);
	return -EINVAL;
}

/* The file, with its descriptor and its supplements' for as long as it lives. */
struct opened {
	struct symbolizer_file *file;
	int fd, debug_fd;
	bool package;
};
#define OPENED_NULL ((struct opened) { .fd = -1, .debug_fd = -1 })

static void opened_deinit(struct opened *o)
{
	symbolizer_file_free(o->file);
	if (o->fd >= 0)
		close(o->fd);
	if (o->debug_fd >= 0)
		close(o->debug_fd);
}
DEFINE_CLEANUP_EMBEDDED(struct opened, opened_deinit)

/* The text is read anew each time: a running kernel's changes. */
static int ask_kernel(const struct cli *cli, struct opened *o, const uint64_t *addresses, size_t nr,
		      struct symbolizer_result *ret)
{
	_cleanup_(closep) int fd = open(cli->kallsyms, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_last() : symbolizer_kernel_frames(fd, o->file, addresses, nr, ret);
}

/* Asks again as long as files come to light that the answers want. */
static int ask(const struct cli *cli, struct opened *o, const uint64_t *addresses, size_t nr,
	       struct symbolizer_result *ret)
{
	int r;

	if (cli->kallsyms)
		return ask_kernel(cli, o, addresses, nr, ret);
	r = symbolizer_file_frames(o->file, cli->space, addresses, nr, ret);
	for (int i = 0;
	     !r && i < ROUNDS_MAX && cli_give_wanted(o->file, cli->path, o->debug_fd, &o->package);
	     i++) {
		symbolizer_result_deinit(ret);
		r = symbolizer_file_frames(o->file, cli->space, addresses, nr, ret);
	}
	return r;
}

static int print_all(const struct cli *cli, struct opened *o, const uint64_t *addresses, size_t nr)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result result =
		SYMBOLIZER_RESULT_NULL;
	int r = ask(cli, o, addresses, nr, &result);

	if (r < 0) {
		log_error("%s: %s", cli->path, err_str(r));
		return r;
	}
	for (size_t i = 0; i < nr; i++)
		print_answer(cli, addresses[i], &result, i);
	return fflush(stdout) ? err_last() : 0;
}

static int from_arguments(const struct cli *cli, struct opened *o, char **texts, size_t nr)
{
	_cleanup_(freep) uint64_t *addresses = calloc(nr + 1, sizeof(*addresses));
	int r = addresses ? 0 : -ENOMEM;

	for (size_t i = 0; i < nr && !r; i++)
		r = parse_address(texts[i], &addresses[i]);
	return r ? r : print_all(cli, o, addresses, nr);
}

/* Answers the whole lines of text, all at once; returns how many bytes they were, or -errno. */
static ssize_t answer_lines(const struct cli *cli, struct opened *o, char *text, size_t len)
{
	_cleanup_(freep) uint64_t *addresses = calloc(len / 2 + 1, sizeof(*addresses));
	size_t nr = 0;
	char *at = text, *newline;
	int r = addresses ? 0 : -ENOMEM;

	while (!r && (newline = memchr(at, '\n', len - (size_t)(at - text)))) {
		*newline = 0;
		r = parse_address(at, &addresses[nr++]);
		at = newline + 1;
	}
	if (!r && nr)
		r = print_all(cli, o, addresses, nr);
	return r ? r : at - text;
}

/*
 * As much at once as there is: a file is one batch, and a program that writes a line and waits for its answer gets it.
 */
static int from_stdin(const struct cli *cli, struct opened *o)
{
	static char text[BATCH_MAX + 1];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, text + len, BATCH_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_last();
		len += (size_t)n;
		if (!n && len) /* the last line may go without its end */
			text[len++] = '\n';
		else if (!n)
			return 0;
		n = answer_lines(cli, o, text, len);
		if (n < 0)
			return (int)n;
		if (!n && len == BATCH_MAX) {
			log_error("a line without an end is no address");
			return -EINVAL;
		}
		len -= (size_t)n;
		memmove(text, text + n, len);
	}
}

static int open_path(const char *path, int *ret)
{
	int fd = cli_open_regular(path);

	if (fd < 0) {
		log_error("cannot open %s: %s", path,
			  fd == -EINVAL ? "not a regular file" : err_str(fd));
		return -1;
	}
	*ret = fd;
	return 0;
}

static int add_to_file(struct opened *o, const struct supplement *s)
{
	_cleanup_(closep) int fd = -1;
	struct err err = ERR_NULL;
	int r = open_path(s->path, &fd);

	if (r)
		return r;
	r = symbolizer_file_set_supplement(o->file, s->kind, fd, &err);
	if (r)
		log_error("%s: %s", s->path, r < 0 ? err_str(r) : err.text);
	else if (s->kind == SYMBOLIZER_SUPPLEMENT_DEBUG)
		o->debug_fd = TAKE_FD(fd);
	return r;
}

static int open_all(const struct cli *cli, struct opened *o)
{
	struct err err = ERR_NULL;
	int r = open_path(cli->path, &o->fd);

	if (r)
		return r;
	r = symbolizer_file_new(&o->file, o->fd, &err);
	if (r) {
		log_error("%s: %s", cli->path, r < 0 && !err.text[0] ? err_str(r) : err.text);
		return -1;
	}
	symbolizer_file_set_demangle(o->file, cli->demangle);
	if (cli->memory_mib)
		symbolizer_file_set_memory(o->file, cli->memory_mib << 20);
	if (!cli->nr_supplements || cli->supplements[0].kind != SYMBOLIZER_SUPPLEMENT_DEBUG)
		o->debug_fd = cli_give_debug_file(o->file, cli->path);
	for (size_t i = 0; i < cli->nr_supplements && !r; i++)
		r = add_to_file(o, &cli->supplements[i]);
	return r;
}

static void print_stats(struct symbolizer_file *file)
{
	static const char *const kinds[] = { "debug", "alt", "split" };
	struct symbolizer_stats stats;
	struct symbolizer_want want;
	size_t it = 0;

	symbolizer_file_stats(file, &stats);
	log_info("memory %zu KiB of %zu, peak %zu KiB; units read %" PRIu64 ", evicted %" PRIu64,
		 stats.memory_used >> 10, stats.memory_max >> 10, stats.memory_peak >> 10,
		 stats.units_read, stats.units_evicted);
	log_info("answers without inlines %" PRIu64 ", without lines %" PRIu64
		 ", without functions %" PRIu64 "; sections refused %u",
		 stats.less_inlines, stats.less_lines, stats.less_functions,
		 stats.sections_refused);
	while (symbolizer_file_next_want(file, &it, &want))
		log_info("missing: --%s %s%s%s", kinds[want.kind],
			 *want.path == '/' ? "" : want.directory,
			 *want.path != '/' && *want.directory ? "/" : "", want.path);
}

int cli_main(int argc, char **argv)
{
	static struct cli cli = { .space = SYMBOLIZER_VADDR };
	_cleanup_(opened_deinitp) struct opened opened = OPENED_NULL;
	int r;

	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "--unwind"))
		return cli_unwind(argv[2], argv[3]);
	r = parse(&cli, argc, argv);
	if (r == CLI_E_HELP)
		fputs(help, stdout);
	if (r)
		return r < 0 ? EXIT_USAGE : 0;
	if (open_all(&cli, &opened))
		return 1;
	if (optind < argc)
		r = from_arguments(&cli, &opened, argv + optind, (size_t)(argc - optind));
	else
		r = from_stdin(&cli, &opened);
	if (cli.stats)
		print_stats(opened.file);
	return r < 0 ? 1 : 0;
}
