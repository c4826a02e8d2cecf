/* mime: guesses a content type by the ending of a name. Pure. */
#ifndef PROXY_MIME_H
#define PROXY_MIME_H

/* Never NULL: "application/octet-stream" when nothing fits. */
const char *mime_guess(const char *name);

#endif
