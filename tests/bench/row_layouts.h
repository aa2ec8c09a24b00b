/* Fills the maps of row_layouts.bpf.h for some processes. */
#ifndef FLEETPROF_BENCH_ROW_LAYOUTS_H
#define FLEETPROF_BENCH_ROW_LAYOUTS_H

struct walks_bpf;

/* With the rows of all files that the process maps to execute. Ends the program if that fails. */
void row_layouts_fill(struct walks_bpf *walks, unsigned int pid);

#endif
