/* placeholder */
extern int placeholder_not_used;
