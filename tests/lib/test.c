#include "tests/lib/test.h"

#include <ftw.h>
#include <unistd.h>

const char *test_tmpdir(void)
{
	static char path[256];
	const char *top = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/cairn-test-XXXXXX", top ? top : "/tmp");
	if (!mkdtemp(path))
		abort();
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void test_tmpdir_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
