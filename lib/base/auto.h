/* auto: scope cleanup. AUTO(x) struct x v = X_NONE; runs x's release when the scope ends. */
#ifndef LIB_BASE_AUTO_H
#define LIB_BASE_AUTO_H

#define AUTO(name) __attribute__((cleanup(auto_##name)))

/* Defines what AUTO(name) calls for a variable of type struct name. */
#define AUTO_DEFINE(name, release)                                                                 \
	static inline void auto_##name(struct name *value)                                         \
	{                                                                                          \
		release(value);                                                                    \
	}                                                                                          \
	struct name

/* The value of a pointer variable, which is NULL afterwards: ownership moves. */
#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) take_ = (pointer);                                             \
		(pointer) = NULL;                                                                  \
		take_;                                                                             \
	})

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))

#endif
