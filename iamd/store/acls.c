/* acls - placeholder until written. */
extern int placeholder_not_used;
