/* The profile in memory lives in proto/, where the exporter may use it too. */
#ifndef FLEETPROF_CORE_PROFILE_H
#define FLEETPROF_CORE_PROFILE_H

#include "proto/profile.h"

#endif
