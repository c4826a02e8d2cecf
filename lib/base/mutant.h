/* mutant: rules of the contract (DESIGN 5.4) that the simulation disables, one at a time, to prove
 * that it would notice. Only its own build has them: elsewhere MUTANT() is a constant false. */
#ifndef LIB_BASE_MUTANT_H
#define LIB_BASE_MUTANT_H

#ifdef CAIRN_MUTANTS
extern const char *mutant_on; /* name of the one that is disabled, or NULL */
#define MUTANT(name) (mutant_on && __builtin_strcmp(mutant_on, #name) == 0)
#else
#define MUTANT(name) 0
#endif

#endif
