namespace Tessera.Runtime;

/// <summary>An ELF file that cannot be edited, and why.</summary>
internal sealed class ElfFormatException(string message) : Exception(message);
