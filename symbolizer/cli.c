/* The command line of the symbolizer. */
#include "symbolizer/cli.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "symbolizer/cli_unwind.h"
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#define EXIT_USAGE 2
#define BATCH_MAX (1u << 20) /* bytes of standard input that are one batch */

struct cli {
	const char *path;
	enum symbolizer_space space;
	enum symbolizer_demangle demangle;
	bool addresses, no_inlines;
};

static const char help[] =
	"usage: fleetprof-symbolizer -e FILE [OPTION…] [ADDRESS…]\n"
	"       fleetprof-symbolizer --unwind FILE [DEBUG-FILE]\n"
	"\n"
	"Prints, for each hexadecimal ADDRESS (or each line of standard input), the function and file:line,\n"
	"innermost inlined function first, and an empty line behind each address.\n"
	"\n"
	"  -e, --exe FILE       the ELF file\n"
	"      --offsets        addresses are offsets into the file, not the ELF's own addresses\n"
	"  -a, --addresses      print each address first\n"
	"      --no-inlines     only the outermost function\n"
	"      --demangle HOW   full (default), short or none\n"
	"  -h, --help           this text\n"
	"\n"
	"With --unwind, prints the rows of the file's unwind table, by offset into the file.\n";

static const struct option options[] = {
	{ "exe", required_argument, NULL, 'e' },
	{ "offsets", no_argument, NULL, 'o' },
	{ "addresses", no_argument, NULL, 'a' },
	{ "no-inlines", no_argument, NULL, 'n' },
	{ "demangle", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_demangle(const char *how, enum symbolizer_demangle *ret)
{
	if (!strcmp(how, "full"))
		*ret = SYMBOLIZER_DEMANGLE_FULL;
	else if (!strcmp(how, "short"))
		*ret = SYMBOLIZER_DEMANGLE_SHORT;
	else if (!strcmp(how, "none"))
		*ret = SYMBOLIZER_DEMANGLE_NONE;
	else
		return -EINVAL;
	return 0;
}

enum { CLI_E_HELP = 1 };

static int parse(struct cli *cli, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "e:ah", options, NULL)) != -1) {
		switch (c) {
		case 'e':
			cli->path = optarg;
			break;
		case 'o':
			cli->space = SYMBOLIZER_FILE_OFFSET;
			break;
		case 'a':
			cli->addresses = true;
			break;
		case 'n':
			cli->no_inlines = true;
			break;
		case 'h':
			return CLI_E_HELP;
		case 'd':
			if (!parse_demangle(optarg, &cli->demangle))
				break;
			log_error("--demangle %s: choose full, short or none", optarg);
			return -EINVAL;
		default:
			log_error("unknown option or missing value: %s (see --help)",
				  argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (!cli->path) {
		log_error("which file? (-e FILE; see --help)");
		return -EINVAL;
	}
	return 0;
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
	for (uint32_t j = first; j < answer->nr_frames; j++) {
		const struct symbolizer_frame *frame = &result->frames[answer->first_frame + j];

		printf("%s\n%s:%u\n", frame->name, *frame->file ? frame->file : "??", frame->line);
	}
	putchar('\n');
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

static int print_all(const struct cli *cli, struct symbolizer_file *file, const uint64_t *addresses,
		     size_t nr)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result result =
		SYMBOLIZER_RESULT_NULL;
	int r = symbolizer_file_frames(file, cli->space, addresses, nr, &result);

	if (r < 0) {
		log_error("%s: %s", cli->path, err_str(r));
		return r;
	}
	for (size_t i = 0; i < nr; i++)
		print_answer(cli, addresses[i], &result, i);
	return fflush(stdout) ? err_last() : 0;
}

static int from_arguments(const struct cli *cli, struct symbolizer_file *file, char **texts,
			  size_t nr)
{
	_cleanup_(freep) uint64_t *addresses = calloc(nr + 1, sizeof(*addresses));
	int r = addresses ? 0 : -ENOMEM;

	for (size_t i = 0; i < nr && !r; i++)
		r = parse_address(texts[i], &addresses[i]);
	return r ? r : print_all(cli, file, addresses, nr);
}

/* Answers the whole lines of text, all at once; returns how many bytes they were, or -errno. */
static ssize_t answer_lines(const struct cli *cli, struct symbolizer_file *file, char *text,
			    size_t len)
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
		r = print_all(cli, file, addresses, nr);
	return r ? r : at - text;
}

/*
 * As much at once as there is: a file is one batch, and a program that writes a line and waits for its answer gets it.
 */
static int from_stdin(const struct cli *cli, struct symbolizer_file *file)
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
		n = answer_lines(cli, file, text, len);
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

int cli_main(int argc, char **argv)
{
	struct cli cli = { .space = SYMBOLIZER_VADDR };
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = -1;
	struct err err = ERR_NULL;
	int r;

	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "--unwind"))
		return cli_unwind(argv[2], argv[3]);
	r = parse(&cli, argc, argv);
	if (r == CLI_E_HELP)
		fputs(help, stdout);
	if (r)
		return r < 0 ? EXIT_USAGE : 0;
	fd = open(cli.path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		log_error("cannot open %s: %s", cli.path, err_str(err_last()));
		return 1;
	}
	r = symbolizer_file_new(&file, fd, &err);
	if (r) {
		log_error("%s: %s", cli.path, r < 0 && !err.text[0] ? err_str(r) : err.text);
		return 1;
	}
	symbolizer_file_set_demangle(file, cli.demangle);
	if (optind < argc)
		r = from_arguments(&cli, file, argv + optind, (size_t)(argc - optind));
	else
		r = from_stdin(&cli, file);
	return r < 0 ? 1 : 0;
}
