package dev.heng.kernels.abi;

/**
 * One enumerator or numeric macro.
 *
 * @param name its name
 * @param value its value
 * @param source where this was read
 */
public record ConstantDeclaration(String name, long value, AbiSource source) {}
