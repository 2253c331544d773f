using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Tessera.Runtime;

/// <summary>Stand-ins for functions that TorchSharp's native half calls and the libtorch at hand lacks: each throws what TorchSharp turns into an exception of .NET.</summary>
/// <remarks>
/// The system's own answer to such a call ends the process. A stand-in puts its message where a first argument goes and jumps to the C++ runtime's
/// <c>std::__throw_runtime_error(char const*)</c>. Since it jumps and does not call, it leaves no frame on the stack: to whoever unwinds, the caller
/// threw, and TorchSharp's functions catch what is thrown within them. What may not throw, such as a destructor, ends the process, with the message.
/// </remarks>
internal static class MissingFunctions
{
    private const string Thrower = "_ZSt21__throw_runtime_errorPKc";
    private const int Size = 32, Read = 1, Write = 2, Execute = 4; // PROT_READ, PROT_WRITE, PROT_EXEC
    private const int OfNoFile = 0x22;                             // MAP_PRIVATE, MAP_ANONYMOUS

    /// <summary>Makes a function for each message, which throws it. They stay for good.</summary>
    /// <param name="messages">What each says.</param>
    /// <param name="library">A library that depends on the C++ runtime.</param>
    /// <returns>Their addresses; null: this processor or system has no room for them.</returns>
    public static unsafe IReadOnlyList<nint>? Make(IReadOnlyList<string> messages, nint library)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64 || !NativeLibrary.TryGetExport(library, Thrower, out var thrower)) return null;
        var length = (nuint)(messages.Count * Size);
        var memory = mmap(0, length, Read | Write, OfNoFile, -1, 0);
        if (memory == -1) return null;
        var code = new Span<byte>((void*)memory, (int)length);
        for (var i = 0; i < messages.Count; i++)
        {
            var function = code.Slice(i * Size, Size);
            ReadOnlySpan<byte> messageIntoRdi = [0x48, 0xbf], throwerIntoRax = [0x48, 0xb8], jumpToRax = [0xff, 0xe0];
            messageIntoRdi.CopyTo(function);
            BinaryPrimitives.WriteInt64LittleEndian(function[2..], Marshal.StringToCoTaskMemUTF8(messages[i]));
            throwerIntoRax.CopyTo(function[10..]);
            BinaryPrimitives.WriteInt64LittleEndian(function[12..], thrower);
            jumpToRax.CopyTo(function[20..]);
        }
        return mprotect(memory, length, Read | Execute) == 0 ? [.. messages.Select((_, i) => memory + i * Size)] : null;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", SetLastError = true)]
    private static extern int mprotect(nint address, nuint length, int protection);
}
