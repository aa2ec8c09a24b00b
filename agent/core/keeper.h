/*
 * The keeper: the small privileged parent of the core.
 *
 * A core that has given its privileges up can neither start a killed helper again (the opener needs capabilities
 * that the core does not have, symbolizer and exporter a uid that it cannot take) nor write into a directory that
 * only the user may enter. The keeper stays behind with those rights, does these two things on request, and parses
 * nothing but fixed-size messages from the core. When the core ends, it ends, with the core's exit status.
 */
#ifndef FLEETPROF_CORE_KEEPER_H
#define FLEETPROF_CORE_KEEPER_H

#include "agent/base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_OUTPUTS_MAX 8
#define KEEPER_HELPER_ARGS_MAX 8

struct keeper;

struct keeper_config {
	const char *opener, *symbolizer; /* paths of the helper programs */
	const char *exporter; /* … NULL: there will be none */
	/* Given behind their own arguments; NULL-terminated, or NULL: none. At most KEEPER_HELPER_ARGS_MAX. */
	const char *const *opener_args, *const *symbolizer_args;
	/* Given to the exporter behind the core's arguments, so that no core can have it run as somebody else. */
	const char *const *exporter_last_args; /* NULL-terminated */
	const char *outputs[KEEPER_OUTPUTS_MAX];
	size_t nr_outputs;
	char **command; /* to be run when the core says so; NULL: none */
};

/*
 * Splits the process in two: returns only in the child, which becomes the core. The parent is the keeper and
 * exits with the core's status. Strings must stay valid. Call before any thread or loop exists.
 */
int keeper_start(struct keeper **ret, const struct keeper_config *config, struct err *err);
struct keeper *keeper_free(struct keeper *keeper);
DEFINE_CLEANUP(struct keeper *, keeper_free)

/* Start opener or symbolizer with its end of a socket pair (closed by the call). */
int keeper_spawn_opener(int socket_fd, pid_t *ret_pid, void *keeper);
int keeper_spawn_symbolizer(int socket_fd, pid_t *ret_pid, void *keeper);
/* One exporter lives at a time: an older one that has not ended yet is killed. */
int keeper_spawn_exporter(int socket_fd, pid_t *ret_pid, void *keeper);

/* The arguments of exporters to come, NULL-terminated, at most KEEPER_ARGS_MAX with KEEPER_ARGS_BYTES in all. */
#define KEEPER_ARGS_MAX 320
#define KEEPER_ARGS_BYTES 65536
int keeper_set_exporter_args(struct keeper *keeper, const char *const *args);

/* Opens the perf event of a CPU with the keeper's rights: a descriptor, or -errno (sampler_open_fn). */
int keeper_open_event(unsigned int cpu, uint64_t period_ns, void *keeper);

/*
 * Writes the contents of data_fd (a memfd) to output `index`, atomically: no name is there before all bytes are.
 * If that fails, ret_path (PATH_MAX bytes) names the file in a temporary directory that was written instead, if one could.
 */
int keeper_write(struct keeper *keeper, size_t index, int data_fd, char *ret_path);

/*
 * The command's own parent, whose descendants are to be sampled; 0 without a command. It waits, is a child
 * subreaper (so that daemons stay descendants), and runs the command after keeper_run_command().
 */
pid_t keeper_command_parent(const struct keeper *keeper);
int keeper_run_command(struct keeper *keeper);

/*
 * Becomes readable when the command ended; then keeper_command_status() gives its wait status, and as error 0, or the
 * -errno for which it could not be run at all.
 */
int keeper_command_fd(const struct keeper *keeper);
int keeper_command_status(struct keeper *keeper, int *ret_status, int *ret_error);

/* Ends a command that still runs (SIGTERM). */
void keeper_stop_command(struct keeper *keeper);

#endif
