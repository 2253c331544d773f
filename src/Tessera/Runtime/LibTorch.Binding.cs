using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Runtime;

// TorchSharp's native half on Linux: loaded as it is where it fits, else from a copy in memory that does.
public static partial class LibTorch
{
    private const string NewerCxxVersion = "GLIBCXX_3.4.32";

    /// <param name="binding">TorchSharp's library.</param>
    /// <param name="folder">What <see cref="FolderVariable"/> names; null: nothing.</param>
    /// <param name="libraries">libtorch's.</param>
    private static void LoadBinding(string binding, string? folder, IReadOnlyList<nint> libraries)
    {
        if (FaultOfLoading(binding) is not { } fault) return;
        var image = File.ReadAllBytes(binding);
        try
        {
            var needsNewerCxx = fault.Contains(NewerCxxVersion, StringComparison.Ordinal);
            if (needsNewerCxx) ElfSymbolVersions.MakeOptional(image, NewerCxxVersion);
            var lacking = ElfImports.Find(image).Where(i => !libraries.Any(l => NativeLibrary.TryGetExport(l, i.Name, out _))).ToList();
            if (lacking.Count > 0) StandIn(image, lacking, binding, folder);
            else if (!needsNewerCxx) throw DoesNotLoad(binding, folder, Reason(fault), null);
        }
        catch (ElfFormatException e)
        {
            throw new LibTorchException($"{binding} does not load and cannot be mended ({e.Message}): build or install Tessera again.", e);
        }
        LoadFromMemory(image, binding, folder);
    }

    // A function that is missing is missed when it is called; data are read at once, or when it is too late to tell.
    private static void StandIn(byte[] image, List<ElfImport> lacking, string binding, string? folder)
    {
        var names = lacking.ConvertAll(l => InWords(l.Name));
        var data = names.Where((_, i) => !lacking[i].IsFunction).ToList();
        if (data.Count > 0) throw DoesNotLoad(binding, folder, $"{Here} lacks {data[0]}{(data.Count > 1 ? $" and {data.Count - 1} more of its kind" : "")}", null);

        var found = folder is null ? "" : $" ({folder})";
        var messages = names.ConvertAll(n => $"{Here}{found} lacks {n}, which {Binding} calls and libtorch {ExpectedVersion} has: {Advice(folder)}.");
        if (MissingFunctions.Make(messages, cpuLibrary) is not { } functions)
            throw DoesNotLoad(binding, folder, $"{Here} lacks {names[0]}{(names.Count > 1 ? $" and {names.Count - 1} more functions" : "")}", null);
        for (var i = 0; i < functions.Count; i++) ElfImports.Bind(image, lacking[i], functions[i]);
        Lacking = names;
    }

    private static string Here => Version is null ? "this libtorch" : $"libtorch {Version}";

    private static string Advice(string? folder) => folder is null ? "build or install Tessera again" : $"set {FolderVariable} to a libtorch that has it";

    /// <summary>A symbol as C++ writes it: its arguments too, since what a later version lacks is most often the same function with other ones.</summary>
    private static unsafe string InWords(string symbol)
    {
        if (!NativeLibrary.TryGetExport(cpuLibrary, "__cxa_demangle", out var demangle)) return symbol;
        var mangled = Marshal.StringToCoTaskMemUTF8(symbol);
        var words = ((delegate* unmanaged<nint, nint, nint, nint, byte*>)demangle)(mangled, 0, 0, 0);
        Marshal.FreeCoTaskMem(mangled);
        if (words == null) return symbol; // not a name of C++
        var text = Marshal.PtrToStringUTF8((nint)words)!;
        NativeMemory.Free(words);
        return text;
    }

    private static void LoadFromMemory(byte[] image, string binding, string? folder)
    {
        // A file that exists in memory alone: nothing on the disk changes, and nothing is left behind. The handle stays
        // open for good, since a debugger or profiler reads the library by that name.
        var descriptor = memfd_create("libLibTorchSharp.so", 0);
        if (descriptor < 0)
            throw new LibTorchException($"The system refused a file in memory (error {Marshal.GetLastPInvokeError()}), which loading TorchSharp needs on a C++ runtime older than GCC 13's, and beside a libtorch that lacks a function: allow memfd_create, or use a newer system and libtorch {ExpectedVersion}.");
        var file = new SafeFileHandle(descriptor, ownsHandle: false);
        RandomAccess.Write(file, image, 0);
        if (FaultOfLoading($"/proc/self/fd/{descriptor}") is { } fault) throw DoesNotLoad(binding, folder, Reason(fault), null);
    }

    // .NET has functions looked up when they are first called, and one that is missing would then end the process. Asking for all of them now
    // tells what is. It must be the first to load the library: later nothing is looked up again.
    private static string? FaultOfLoading(string path)
    {
        const int Now = 2; // RTLD_NOW
        _ = dlerror(); // .NET loads a library to find this function at its first call, which would overwrite what it has to tell
        bindingLibrary = dlopen(path, Now);
        return bindingLibrary != 0 ? null : Marshal.PtrToStringUTF8(dlerror()) ?? "a function is missing";
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int memfd_create([MarshalAs(UnmanagedType.LPUTF8Str)] string name, uint flags);
}
