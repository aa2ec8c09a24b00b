/* Giving privileges up. */
#include "agent/base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/random.h>

#define SPARE_UID_FIRST 61184
#define SPARE_UID_COUNT 4336

bool privilege_has(cap_value_t capability)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (!caps)
		return false;
	cap_get_flag(caps, capability, CAP_EFFECTIVE, &value);
	cap_free(caps);
	return value == CAP_SET;
}

uint32_t privilege_spare_uid(void)
{
	uint32_t uid = 0, random = 0;

	for (unsigned int i = 0; i < 64; i++) {
		if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
			random += 7919;
		uid = SPARE_UID_FIRST + random % SPARE_UID_COUNT;
		if (!getpwuid(uid))
			break;
	}
	return uid;
}

static int become(uint32_t uid, struct err *err)
{
	if (!uid || !privilege_has(CAP_SETUID) || !privilege_has(CAP_SETGID))
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_errno(err, err_last(), "cannot become user %u", uid);
	return 0;
}

static bool is_kept(const cap_value_t *keep, size_t nr, cap_value_t capability)
{
	for (size_t i = 0; i < nr; i++) {
		if (keep[i] == capability)
			return true;
	}
	return false;
}

static void drop_bounding_set(const cap_value_t *keep, size_t nr)
{
	for (cap_value_t c = 0; c <= CAP_LAST_CAP + 16; c++) {
		/* Without CAP_SETPCAP it stays; no_new_privs makes it useless then. */
		if (!is_kept(keep, nr, c) && cap_get_bound(c) >= 0)
			cap_drop_bound(c);
	}
}

static int set_capabilities(const cap_value_t *keep, size_t nr, struct err *err)
{
	cap_t old = cap_get_proc(), new = cap_init();
	int r = 0;

	if (!old || !new)
		r = -ENOMEM;
	for (size_t i = 0; i < nr && !r; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		cap_get_flag(old, keep[i], CAP_PERMITTED, &has);
		if (has == CAP_SET && (cap_set_flag(new, CAP_PERMITTED, 1, &keep[i], CAP_SET) < 0 ||
				       cap_set_flag(new, CAP_EFFECTIVE, 1, &keep[i], CAP_SET) < 0))
			r = err_last();
	}
	if (!r && cap_set_proc(new) < 0)
		r = err_last();
	cap_free(old);
	cap_free(new);
	return r ? err_errno(err, r, "cannot drop capabilities") : 0;
}

int privilege_drop(const cap_value_t *keep, size_t nr, uint32_t uid, struct err *err)
{
	int r;

	drop_bounding_set(keep, nr);
	r = become(uid, err);
	if (!r)
		r = set_capabilities(keep, nr, err);
	if (r)
		return r;
	cap_reset_ambient();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, err_last(), "cannot set no_new_privs");
	return 0;
}
