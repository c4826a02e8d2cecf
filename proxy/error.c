#include "proxy/proxy.h"

/* Reason and explanation as Swift's clients see them (swift/common/swob.py RESPONSE_REASONS). */
static const struct {
	int status;
	const char *reason, *text;
} table[] = {
        {200, "OK", ""},
        {201, "Created", ""},
        {202, "Accepted", "The request is accepted for processing."},
        {301, "Moved Permanently", "The resource has moved permanently."},
        {307, "Temporary Redirect", "The resource has moved temporarily."},
        {400, "Bad Request",
                "The server could not comply with the request since it is either malformed or "
                "otherwise "
                "incorrect."},
        {401, "Unauthorized",
                "This server could not verify that you are authorized to access the document you "
                "requested."},
        {403, "Forbidden", "Access was denied to this resource."},
        {404, "Not Found", "The resource could not be found."},
        {405, "Method Not Allowed", "The method is not allowed for this resource."},
        {406, "Not Acceptable",
                "The resource is not available in a format acceptable to your browser."},
        {408, "Request Timeout",
                "The server has waited too long for the request to be sent by the client."},
        {409, "Conflict", "There was a conflict when trying to complete your request."},
        {410, "Gone", "This resource is no longer available."},
        {411, "Length Required", "Content-Length header required."},
        {412, "Precondition Failed", "A precondition for this request was not met."},
        {413, "Request Entity Too Large",
                "The body of your request was too large for this server."},
        {414, "Request URI Too Long", "The request URI was too long for this server."},
        {416, "Requested Range Not Satisfiable", "The Range requested is not available."},
        {417, "Expectation Failed", "Expectation failed."},
        {422, "Unprocessable Entity", "Unable to process the contained instructions"},
        {499, "Client Disconnect", "The client was disconnected during request."},
        {500, "Internal Error",
                "The server has either erred or is incapable of performing the requested "
                "operation."},
        {501, "Not Implemented", "The requested method is not implemented by this server."},
        {502, "Bad Gateway", "Bad gateway."},
        {503, "Service Unavailable",
                "The server is currently unavailable. Please try again at a later time."},
        {507, "Insufficient Storage", "There was not enough space to save the resource."},
};

const char *swift_error_reason(int status)
{
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		if (table[i].status == status)
			return table[i].reason;
	}
	return "Unknown";
}

const char *swift_error_lines(struct arena *arena, int status)
{
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		if (table[i].status == status)
			return arena_printf(arena, "%s\n%s", table[i].reason, table[i].text);
	}
	return "";
}

const char *swift_error_body(struct arena *arena, int status)
{
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		if (table[i].status == status)
			return arena_printf(arena, "<html><h1>%s</h1><p>%s</p></html>",
			        table[i].reason, table[i].text);
	}
	return "";
}
