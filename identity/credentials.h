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

/* Its row, sealed. */
enum err credential_insert(struct identity *identity, struct db_tx *tx,
        struct credential *credential, struct arena *arena);

/* Calls `each` with the blobs that a user has of a type, until it returns false. */
enum err credential_each(struct identity *identity, struct db_tx *tx, const char *user_id,
        const char *type, struct arena *arena,
        bool (*each)(const struct credential *credential, void *arg), void *arg);

/* --- EC2's (ec2.c) --- */

/* Its id: the SHA-256 of the access key in hexadecimal. */
const char *credential_ec2_id(struct arena *arena, const char *access);

/* ERR_FORBIDDEN, with a text: by an application credential that may not manage others. */
enum err credential_may_add(struct rest_req *req, struct db_tx *tx);

/* ERR_FORBIDDEN, with a text: a token that was delegated (by a trust or an application credential)
 * is for its own project's credentials alone. */
enum err credential_may(struct rest_req *req, const char *project_id);

enum err on_ec2_list(struct rest_req *req);
enum err on_ec2_create(struct rest_req *req);
enum err on_ec2_show(struct rest_req *req);
enum err on_ec2_delete(struct rest_req *req);

/* --- who shows one (ec2_tokens.c) --- */

enum err on_ec2_token(struct rest_req *req);   /* POST /v3/ec2tokens */
enum err on_s3_token(struct rest_req *req);    /* POST /v3/s3tokens */
enum err on_signing_key(struct rest_req *req); /* GET /v3/OS-CAIRN/signing-key */
enum err on_session_key(struct rest_req *req); /* POST /v3/OS-CAIRN/session-key */
enum err on_signature(struct rest_req *req);   /* POST /v3/OS-CAIRN/signature */
enum err on_grantee(struct rest_req *req);     /* GET /v3/OS-CAIRN/grantee */

#endif
