// Loaded before tests that are to notice a fault: properties stop at the first case that fails, for nobody reads the smallest one.
import fc from 'fast-check';

fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true });
