#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct node_conf, field)

const struct conf_option node_options[] = {
        {"node", "state_dir", CONF_TEXT, AT(state_dir), "/var/lib/cairn", 0, 0, CONF_RESTART,
                "Folder for rings, secrets and the device folders."},
        {"node", "bind_ip", CONF_TEXT, AT(bind_ip), "127.0.0.1", 0, 0, CONF_RESTART,
                "Address the API listens on."},
        {"node", "port", CONF_U64, AT(port), "8080", 1, 65535, CONF_RESTART, "Port of the API."},
        {"node", "roles", CONF_TEXT, AT(roles), "proxy storage", 0, 0, CONF_RESTART,
                "What it does: proxy (serves clients), storage (has devices), or both."},
        {"node", "reactors", CONF_U64, AT(reactors), "0", 0, NODE_REACTORS_MAX, CONF_RESTART,
                "Loops, one per core; 0: as many as there are cores."},
        {"node", "log_level", CONF_TEXT, AT(log_level), "info", 0, 0, CONF_RELOAD,
                "error, warn, info or debug."},
        {"wire", "ip", CONF_TEXT, AT(wire_ip), "127.0.0.1", 0, 0, CONF_RESTART,
                "Address other nodes reach this one's devices at, as rings name it."},
        {"wire", "port", CONF_U64, AT(wire_port), "0", 0, 65535, CONF_RESTART,
                "Port for other nodes; 0: none, all devices of the rings are here."},
        {"wire", "key", CONF_LIST, AT(wire_keys), NULL, 0, 0, CONF_RESTART,
                "A name and a secret that all nodes share; the first is used, all are taken."},
        {"wire", "tls_cert", CONF_TEXT, AT(wire_tls_cert), "", 0, 0, CONF_RESTART,
                "PEM file of this node's certificate; with tls_key nodes speak TLS."},
        {"wire", "tls_key", CONF_TEXT, AT(wire_tls_key), "", 0, 0, CONF_RESTART,
                "PEM file of its key."},
        {"wire", "tls_ca", CONF_TEXT, AT(wire_tls_ca), "", 0, 0, CONF_RESTART,
                "PEM file of who signs the nodes' certificates; without, none is asked for."},
        {"wire", "loopback", CONF_BOOL, AT(wire_loopback), "no", 0, 0, CONF_RESTART,
                "The node reaches its own devices by the wire too."},
        {"wire", "error_limit", CONF_U64, AT(error_limit), "10", 0, 1000000, CONF_RESTART,
                "Calls in a row that a device lets time out or fail in its disk, until it is left "
                "alone; 0: never."},
        {"wire", "error_window", CONF_U64, AT(error_window), "60", 1, 86400, CONF_RESTART,
                "Seconds in which they count."},
        {"wire", "error_pause", CONF_U64, AT(error_pause), "2", 1, 3600, CONF_RESTART,
                "Seconds between calls that try whether it is well again."},
        {"http", "connections_max", CONF_U64, AT(connections_max), "16384", 16, 1000000,
                CONF_RESTART, "Connections of each loop."},
        {"http", "idle_timeout", CONF_U64, AT(idle_timeout), "60", 1, 3600, CONF_RESTART,
                "Seconds after which a silent connection is closed."},
        {"http", "drain_bytes", CONF_U64, AT(drain_bytes), "1M", 0, 1ull << 30, CONF_RESTART,
                "How much of a refused upload is read before it is answered."},
        {"http", "body_bytes", CONF_U64, AT(body_bytes), "256M", 16u << 20, 1ull << 40,
                CONF_RESTART,
                "Memory for the bodies of requests and answers under way, all loops together."},
        {"http", "tls_cert", CONF_TEXT, AT(tls_cert), "", 0, 0, CONF_RESTART,
                "PEM file of the certificate chain; with tls_key the API speaks HTTPS."},
        {"http", "tls_key", CONF_TEXT, AT(tls_key), "", 0, 0, CONF_RESTART, "PEM file of its key."},
        {"http", "cors_allow_origin", CONF_TEXT, AT(cors_allow_origin), "", 0, 0, CONF_RESTART,
                "Origins allowed for every container, separated by spaces."},
        {"cluster", "hash_prefix", CONF_TEXT, AT(hash_prefix), "", 0, 0, CONF_RESTART,
                "Secret in front of every hashed path; never change it."},
        {"cluster", "hash_suffix", CONF_TEXT, AT(hash_suffix), "", 0, 0, CONF_RESTART,
                "Secret behind every hashed path; never change it."},
        {"cluster", "replicas", CONF_U64, AT(replicas), "3", 1, REPLICAS_MAX, CONF_RESTART,
                "Replicas of rings made at first start."},
        {"cluster", "part_power", CONF_U64, AT(part_power), "10", 1, 24, CONF_RESTART,
                "Partitions (a power of two) of rings made at first start."},
        {"cluster", "policy", CONF_LIST, AT(policies), NULL, 0, 0, CONF_RESTART,
                "A storage policy: index, name, aliases; type=ec k=4 m=2 cuts objects into "
                "fragments."},
        {"cluster", "account_autocreate", CONF_BOOL, AT(account_autocreate), "yes", 0, 0,
                CONF_RESTART, "Accounts come to be when they are first written to."},
        {"cluster", "max_file_size", CONF_U64, AT(max_file_size), "5368709122", 1, 1ull << 50,
                CONF_RESTART, "Bytes of the largest object."},
        {"cluster", "split_rows", CONF_U64, AT(split_rows), "1M", 0, 1ull << 40, CONF_RESTART,
                "Objects in a container, or a part of it, beyond which it is split in two; 0: "
                "never."},
        {"devices", "device", CONF_LIST, AT(devices), NULL, 0, 0, CONF_RESTART,
                "A folder, or a folder and a block device (d1, d1 /dev/sdb); ids count from 0."},
        {"devices", "unit_bytes", CONF_U64, AT(unit_bytes), "64M", 4u << 20, 1u << 30, CONF_RESTART,
                "Unit of a new device."},
        {"devices", "device_bytes", CONF_U64, AT(device_bytes), "0", 0, 1ull << 60, CONF_RESTART,
                "How far a file may grow; never more than its share of nine tenths of its file "
                "system, which 0 is."},
        {"devices", "cache_bytes", CONF_U64, AT(cache_bytes), "16M", 1u << 20, 1ull << 40,
                CONF_RESTART, "Memory for cached blocks, all loops together."},
        {"devices", "page_bytes", CONF_U64, AT(page_bytes), "8M", 0, 1ull << 40, CONF_RESTART,
                "Memory for kept listings, all loops together."},
        {"devices", "scrub_rate", CONF_U64, AT(scrub_rate), "1M", 0, 1ull << 40, CONF_RESTART,
                "Bytes a second that each device reads again to check them; 0: none."},
        {"devices", "scrub_pause", CONF_U64, AT(scrub_pause), "60", 1, 31536000, CONF_RESTART,
                "Seconds between two rounds of that."},
        {"devices", "replicate_pause", CONF_U64, AT(replicate_pause), "10", 0, 31536000,
                CONF_RESTART,
                "Seconds between two rounds in which a device compares itself with the others."},
        {"encryption", "enabled", CONF_BOOL, AT(encryption), "no", 0, 0, CONF_RELOAD,
                "Bodies and user metadata of new objects are encrypted on the disks."},
        {"encryption", "secrets", CONF_TEXT, AT(encryption_secrets), "", 0, 0, CONF_RELOAD,
                "File of root secrets, the same on all nodes: lines of an id and 32 bytes in "
                "base64; empty: encryption.keys in state_dir, which a single node makes."},
        {"encryption", "active", CONF_TEXT, AT(encryption_active), "", 0, 0, CONF_RELOAD,
                "Id of the secret for new objects; empty: the last one."},
        {"swift", "dir", CONF_TEXT, AT(swift_dir), "", 0, 0, CONF_RESTART,
                "Folder with swift.conf and the rings of a Swift cluster, which is then this "
                "proxy's storage."},
        {"bulk", "max_containers_per_extraction", CONF_U64, AT(bulk_containers), "10000", 1,
                1000000, CONF_RESTART, "Containers that one uploaded archive may create."},
        {"bulk", "max_failed_extractions", CONF_U64, AT(bulk_failed_extractions), "1000", 1,
                1000000, CONF_RESTART, "Files that may fail until the rest of it is given up."},
        {"bulk", "max_deletes_per_request", CONF_U64, AT(bulk_deletes), "10000", 1, 1000000,
                CONF_RESTART, "Names that one bulk delete may have."},
        {"bulk", "max_failed_deletes", CONF_U64, AT(bulk_failed_deletes), "1000", 1, 1000000,
                CONF_RESTART, "Deletes that may fail until the rest of them is given up."},
        {"bulk", "upload_concurrency", CONF_U64, AT(bulk_concurrency), "64", 1, 1000, CONF_RESTART,
                "How many files of an archive are stored at once."},
        {"bulk", "delete_concurrency", CONF_U64, AT(bulk_delete_concurrency), "64", 1, 1000,
                CONF_RESTART, "How many objects are deleted at once."},
        {"bulk", "yield_frequency", CONF_U64, AT(bulk_yield), "10", 1, 3600, CONF_RESTART,
                "Seconds after which a client hears that the work goes on."},
        {"slo", "max_manifest_segments", CONF_U64, AT(slo_segments), "1000", 1, 100000,
                CONF_RESTART, "Objects that the manifest of a static large object may name."},
        {"slo", "max_manifest_size", CONF_U64, AT(slo_bytes), "8M", 1024, 32u << 20, CONF_RESTART,
                "Bytes of such a manifest."},
        {"slo", "concurrency", CONF_U64, AT(slo_concurrency), "2", 1, 64, CONF_RESTART,
                "How many of those objects are looked at at once when it is put."},
        {"slo", "delete_concurrency", CONF_U64, AT(slo_delete_concurrency), "32", 1, 1000,
                CONF_RESTART, "How many of them are deleted at once."},
        {"slo", "yield_frequency", CONF_U64, AT(slo_yield), "10", 1, 3600, CONF_RESTART,
                "Seconds after which a client hears that the work goes on, where it wants to."},
        {"slo", "allow_async_delete", CONF_BOOL, AT(slo_async_delete), "yes", 0, 0, CONF_RESTART,
                "Segments may be left to be deleted behind the answer."},
        {"symlink", "symloop_max", CONF_U64, AT(symloop_max), "2", 1, 64, CONF_RESTART,
                "Symbolic links that are followed, one after the other."},
        {"tempurl", "methods", CONF_TEXT, AT(units.tempurl_methods), "GET HEAD PUT POST DELETE", 0,
                0, CONF_RESTART, "Methods that may be signed; empty: no temporary URLs."},
        {"tempurl", "allowed_digests", CONF_TEXT, AT(units.tempurl_digests), "sha1 sha256 sha512",
                0, 0, CONF_RESTART, "Digests that signatures may be of."},
        {"tempurl", "incoming_remove_headers", CONF_TEXT, AT(units.tempurl_incoming_remove),
                "x-timestamp x-open-expired", 0, 0, CONF_RESTART,
                "Headers taken from signed requests; a last '*' stands for anything."},
        {"tempurl", "incoming_allow_headers", CONF_TEXT, AT(units.tempurl_incoming_allow), "", 0, 0,
                CONF_RESTART, "Those of them that stay."},
        {"tempurl", "outgoing_remove_headers", CONF_TEXT, AT(units.tempurl_outgoing_remove),
                "x-object-meta-*", 0, 0, CONF_RESTART, "Headers taken from their answers."},
        {"tempurl", "outgoing_allow_headers", CONF_TEXT, AT(units.tempurl_outgoing_allow),
                "x-object-meta-public-*", 0, 0, CONF_RESTART, "Those of them that stay."},
        {"formpost", "allowed_digests", CONF_TEXT, AT(units.formpost_digests), "sha1 sha256 sha512",
                0, 0, CONF_RESTART, "Digests that signatures of forms may be of."},
        {"auth", "v1_auth", CONF_BOOL, AT(v1_auth), "no", 0, 0, CONF_RESTART,
                "Accounts of this file at /auth/v1.0: for development."},
        {"auth", "user", CONF_LIST, AT(users), NULL, 0, 0, CONF_RESTART,
                "account:user, key and groups (test:tester testing .admin)."},
        {"auth", "identity_url", CONF_TEXT, AT(identity_url), "", 0, 0, CONF_RESTART,
                "URL of the identity service (http://192.0.2.10:5000/v3), whose tokens are good "
                "here; empty: none."},
        {"auth", "identity_key", CONF_TEXT, AT(identity_key), "", 0, 0, CONF_RESTART,
                "What shows it that this is a service: its service_key."},
        {"auth", "reseller_prefix", CONF_TEXT, AT(reseller_prefix), "AUTH, SERVICE", 0, 0,
                CONF_RESTART,
                "What stands before a project's id in the names of its accounts; '': nothing."},
        {"auth", "operator_roles", CONF_LIST, AT(operator_roles), NULL, 0, 0, CONF_RESTART,
                "Roles that may do all in their project's accounts (admin, swiftoperator, member); "
                "SERVICE: admin is for that prefix alone."},
        {"auth", "service_roles", CONF_LIST, AT(service_roles), NULL, 0, 0, CONF_RESTART,
                "Roles that a service token must have, besides (SERVICE: service)."},
        {"auth", "service_token_roles", CONF_TEXT, AT(service_token_roles), "service", 0, 0,
                CONF_RESTART,
                "Roles by one of which who has sent a service token is a service, that may go on "
                "with a user's token after that has expired, and beyond its access rules."},
        {"auth", "project_reader_roles", CONF_LIST, AT(project_reader_roles), NULL, 0, 0,
                CONF_RESTART, "Roles that may read all in their project's accounts (reader)."},
        {"auth", "reseller_admin_role", CONF_TEXT, AT(reseller_admin_role), "ResellerAdmin", 0, 0,
                CONF_RESTART, "Role that may do all in all accounts."},
        {"auth", "system_reader_roles", CONF_TEXT, AT(system_reader_roles), "", 0, 0, CONF_RESTART,
                "Roles that may read all in all accounts."},
        {"auth", "allow_names_in_acls", CONF_BOOL, AT(names_in_acls), "yes", 0, 0, CONF_RESTART,
                "Containers' ACLs may name project:user by names, in the default domain."},
        {"auth", "default_domain_id", CONF_TEXT, AT(default_domain_id), "default", 0, 0,
                CONF_RESTART, "Id of that domain."},
        {"auth", "token_life", CONF_U64, AT(token_life), "86400", 1, 31536000, CONF_RESTART,
                "Seconds a token is good for."},
};
const unsigned node_option_count = COUNT_OF(node_options);

unsigned node_conf_line(const struct node *node, const char *section, const char *key)
{
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0, found = 0;
	bool inside = false;
	FILE *file = fopen(node->conf_path, "re");

	while (file && !found && getline(&line, &size, file) >= 0) {
		const char *text = line + strspn(line, " \t");
		size_t len = strlen(section);
		number++;
		if (*text == '[')
			inside = strncmp(text + 1, section, len) == 0 && text[1 + len] == ']';
		len = strlen(key);
		if (inside && strncmp(text, key, len) == 0 && strchr(" \t=", text[len]))
			found = number;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}
