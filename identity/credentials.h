/* credentials: secrets of users: EC2 keys, seeds of one-time passwords, certificates, whatever they
 * bring. The blob is sealed in the database (vault.h). */
#ifndef IDENTITY_CREDENTIALS_H
#define IDENTITY_CREDENTIALS_H

#include "identity/manage.h"

extern const struct managed managed_credential;

/* GET /v3/credentials */
enum err on_credential_list(struct rest_req *req);

/* With its blob. ERR_NOT_FOUND. */
enum err credential_find(struct identity *identity, struct db_tx *tx, const char *id,
        struct arena *arena, struct credential *ret_credential);

/* Calls `each` with the blobs that a user has of a type, until it returns false. */
enum err credential_each(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *type, struct arena *arena,
        bool (*each)(const struct credential *credential, void *arg), void *arg);

/* --- EC2's (ec2.c) --- */

/* Its id: the SHA-256 of the access key in hexadecimal. */
const char *credential_ec2_id(struct arena *arena, const char *access);

/* ERR_FORBIDDEN, with a text: a token that was delegated (by a trust or an application credential)
 * is for its own project's credentials alone. */
enum err credential_may(struct rest_req *req, const char *project_id);

enum err on_ec2_list(struct rest_req *req);
enum err on_ec2_create(struct rest_req *req);
enum err on_ec2_show(struct rest_req *req);
enum err on_ec2_delete(struct rest_req *req);

#endif
