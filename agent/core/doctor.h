/* `fleetprof doctor`: what this host can do, what it cannot, and what to change. It changes nothing itself. */
#ifndef FLEETPROF_CORE_DOCTOR_H
#define FLEETPROF_CORE_DOCTOR_H

/* argv[0] is "doctor". Returns the exit status: 0 fine, 1 degraded, 2 cannot sample (or a wrong command line). */
int doctor_main(int argc, char **argv);

#endif
