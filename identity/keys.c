/* Keys that sign tokens: files keys/NUMBER of 32 bytes in the state directory, 0600. The highest
 * number signs. */
#include "identity/identity.h"

#include "lib/base/file.h"
#include "lib/log/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
