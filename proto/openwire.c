/* The opener's messages. */
#include "proto/openwire.h"

#include <errno.h>
#include <string.h>

bool openwire_has_folder(const struct openwire_request *request)
{
	return request->header.type == OPENWIRE_ELF_BELOW ||
	       request->header.type == OPENWIRE_MAP_AT;
}

bool openwire_check_request(const struct openwire_request *request, size_t n)
{
	static const char *const names[] = OPENWIRE_PROC_NAMES;

	if (n != sizeof(*request) || !wire_check(&request->header, n, false) ||
	    !request->tgid != openwire_has_folder(request) || request->tgid > INT32_MAX ||
	    !memchr(request->path, '\0', sizeof(request->path)))
		return false;
	switch (request->header.type) {
	case OPENWIRE_MAPPING:
		return request->start < request->end;
	case OPENWIRE_IN_ROOT:
	case OPENWIRE_ELF_IN_ROOT:
	case OPENWIRE_ELF_BELOW:
		return request->path[0] == '/';
	case OPENWIRE_PERF_MAP:
	case OPENWIRE_JITDUMP:
	case OPENWIRE_MAP_PLACE:
	case OPENWIRE_ROOT:
		return true;
	case OPENWIRE_MAP_AT:
		return request->start && request->start <= INT32_MAX && request->end < UINT32_MAX;
	case OPENWIRE_PROC:
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			if (!strcmp(request->path, names[i]))
				return true;
		}
		return false;
	}
	return false;
}

bool openwire_check_answer(const struct openwire_answer *answer, size_t n)
{
	return n == sizeof(*answer) && wire_check(&answer->header, n, false) &&
	       answer->result <= 0 && answer->result > -4096;
}

bool openwire_may_stall(uint32_t s_magic)
{
	switch (s_magic) {
	case 0x65735546: /* FUSE */
	case 0x6969: /* NFS */
	case 0xff534d42: /* CIFS */
	case 0xfe534d42: /* SMB2 */
	case 0x01021997: /* 9p */
	case 0x00c36400: /* Ceph */
	case 0x0bd00bd0: /* Lustre */
	case 0x5346414f: /* AFS */
		return true;
	}
	return false;
}
