/* steal - transfers of ownership that show: `x->name = STEAL(name);` leaves NULL behind. */
#ifndef BASE_STEAL_H
#define BASE_STEAL_H

static inline void *base_steal(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;
	void *value = *p;

	*p = 0;
	return value;
}

#define STEAL(var) base_steal(&(var))

#endif
