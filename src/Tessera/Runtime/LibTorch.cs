using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Runtime;

/// <summary>Loads libtorch and TorchSharp's native half, before any TorchSharp type is used.</summary>
/// <remarks>
/// Two things need care. TorchSharp 0.107.0's Linux library requires the symbol version GLIBCXX_3.4.32, which the C++ runtime
/// of Debian 12 and Ubuntu 22.04 lacks; its one symbol there is a marker that is never called, so the requirement is made
/// weak in a copy that lives in memory. And libtorch can come from elsewhere than the build: from the folder named in
/// <c>TESSERA_LIBTORCH</c>, for example a Python installation's <c>torch/lib</c>, for the CPU or for CUDA. Then the build's own must stay
/// out, since two in one process end it. TorchSharp asks for torch_cpu once more, by name, in a static constructor that no resolver of
/// ours is asked in, and the runtime tries the program's native folders before it takes what is loaded. So the build's libtorch
/// lies in none of them, but in a folder that only this class knows. A libtorch of a later version may lack some of what TorchSharp's
/// half calls: <see cref="MissingFunctions"/> stand in, and only their calls fail.
/// </remarks>
public static partial class LibTorch
{
    /// <summary>The environment variable that names a folder of libtorch's libraries.</summary>
    public const string FolderVariable = "TESSERA_LIBTORCH";

    /// <summary>The libtorch version that TorchSharp was built for.</summary>
    public const string ExpectedVersion = "2.10";

    private const string Demand = $"must hold libtorch {ExpectedVersion}, for which {Binding} is built, or a later one of the same major version";
    private const string Binding = "TorchSharp 0.107.0";
    private static readonly Lock Gate = new();
    private static bool loaded;
    private static nint cpuLibrary;

    /// <summary>The folder that it was loaded from; null: it was not.</summary>
    internal static string? Folder { get; private set; }

    /// <summary>The version of the libtorch that was found there, whether or not it fits; null: it does not tell.</summary>
    internal static Version? Version { get; private set; }

    /// <summary>The functions that TorchSharp's native half calls and this libtorch lacks, as C++ writes them. Their calls throw.</summary>
    internal static IReadOnlyList<string> Lacking { get; private set; } = [];

    /// <summary>Loads libtorch once; later calls do nothing.</summary>
    /// <exception cref="LibTorchException">A library is missing, or does not fit; the message says what to do.</exception>
    public static void Load()
    {
        lock (Gate)
        {
            if (loaded) return;
            LoadFrom(Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named ? named : null);
            loaded = true;
        }
    }

    /// <summary>The address of one of libtorch's functions that TorchSharp does not pass on, by its symbol; null where this libtorch lacks it.</summary>
    internal static nint? FindFunction(string symbol)
    {
        Load();
        return NativeLibrary.TryGetExport(cpuLibrary, symbol, out var address) ? address : null;
    }

    // TorchSharp's own loader runs in a static constructor and names the wrong cause, so ours must come first:
    // when the TorchSharp assembly is loaded, none of its code has run yet. `tessera --help` never gets there.
    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "It must run before any use of TorchSharp.")]
    internal static void LoadWithTorchSharp()
    {
        AppDomain.CurrentDomain.AssemblyLoad += (_, e) =>
        {
            if (IsTorchSharp(e.LoadedAssembly)) Load();
        };
        if (AppDomain.CurrentDomain.GetAssemblies().Any(IsTorchSharp)) Load(); // a program that names TorchSharp first
    }

    private static bool IsTorchSharp(Assembly assembly) => assembly.GetName().Name == "TorchSharp";

    private static void LoadFrom(string? folder)
    {
        if (folder is not null && !Directory.Exists(folder))
            throw new LibTorchException($"{FolderVariable} names {folder}, which is not a folder: set it to a folder that holds {FileName("torch_cpu")}, or unset it.");

        IReadOnlyList<string> folders = folder is null ? [.. NativeFolders(), OwnFolder] : [folder];
        var libraries = new List<nint>();
        foreach (var library in new[] { "c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch" })
        {
            var path = Find(folders, FileName(library));
            if (path is not null)
            {
                libraries.Add(LoadLibrary(path, folder));
                RequireName(path, folder);
                if (library == "torch_cpu") (cpuLibrary, Folder) = (libraries[^1], Path.GetDirectoryName(path));
            }
            else if (!library.Contains("cuda", StringComparison.Ordinal)) throw Missing(FileName(library), folder);
        }
        Version = FindVersion(folder);
        if (folder is not null)
        {
            RequireNoOther(folder);
            RequireNoOlder(folder);
        }

        var binding = Find(NativeFolders(), FileName("LibTorchSharp"))
            ?? throw new LibTorchException($"{FileName("LibTorchSharp")} is not beside the program: build or install it again.");
        if (OperatingSystem.IsLinux()) LoadBinding(binding, folder, libraries);
        else bindingLibrary = LoadLibrary(binding, folder);
        if (Version is { } version && version.ToString(2) != ExpectedVersion && FaultOfLayout() is { } fault)
            throw DoesNotLoad(binding, folder, $"{Here}: {fault}", null);
    }

    // It tells by itself since its functions for other languages have a version. Python's torch writes it beside the lib folder too.
    private static unsafe Version? FindVersion(string? folder)
    {
        if (NativeLibrary.TryGetExport(cpuLibrary, "aoti_torch_abi_version", out var tell))
        {
            var told = ((delegate* unmanaged<ulong>)tell)(); // a byte each, from the highest: major, minor, patch
            return new Version((int)(told >> 56), (int)(told >> 48 & 255), (int)(told >> 40 & 255));
        }
        var digits = folder is null ? [] : VersionIn(folder).TakeWhile(c => char.IsAsciiDigit(c) || c == '.').ToArray();
        return Version.TryParse(digits, out var written) ? written : null;
    }

    // TorchSharp's half was compiled with the layout of libtorch's objects in memory, and no symbol tells whether another version has the same.
    // Later ones of the same major version are tried (FaultOfLayout), since a machine with a GPU has the one that its users chose.
    private static void RequireNoOlder(string folder)
    {
        if (Version is { } version && !MayFit(version))
            throw new LibTorchException($"{FolderVariable} ({folder}) holds libtorch {version}, which does not fit: it {Demand}.");
    }

    /// <summary>Whether a version is worth trying.</summary>
    internal static bool MayFit(Version version) => Version.Parse(ExpectedVersion) is var expected && version.Major == expected.Major && version >= expected;

    // A program that references libtorch's packages itself has it where TorchSharp finds it.
    private static void RequireNoOther(string folder)
    {
        var name = FileName("torch_cpu");
        if (Find(NativeFolders(), name) is { } other && Real(other) != Real(Path.Combine(folder, name)))
            throw new LibTorchException($"{FolderVariable} names {folder}, but {other} would be loaded as well: take that libtorch out of the program, or unset {FolderVariable}.");

        static string Real(string file) => Path.GetFullPath(File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file);
    }

    private static nint LoadLibrary(string path, string? folder)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw DoesNotLoad(path, folder, Reason(e.Message), e);
        }
    }

    // A library that goes by another name than its file's (a system's package may number it) is not the one that TorchSharp's half asks for.
    private static void RequireName(string path, string? folder)
    {
        const int Lazy = 1, OnlyIfLoaded = 4; // RTLD_LAZY, RTLD_NOLOAD
        if (OperatingSystem.IsLinux() && dlopen(Path.GetFileName(path), Lazy | OnlyIfLoaded) == 0)
            throw DoesNotLoad(path, folder, "it does not go by this name, but by another SONAME", null);
    }

    private static LibTorchException DoesNotLoad(string name, string? folder, string reason, Exception? inner)
    {
        var advice = folder is null
            ? "build or install Tessera again"
            : $"{FolderVariable} ({folder}{(VersionIn(folder) is { Length: > 0 } version ? $", torch {version}" : "")}) {Demand}";
        return new LibTorchException($"{name} does not load ({reason}): {advice}.", inner);
    }

    private static LibTorchException Missing(string file, string? folder) => new(folder is null
        ? $"{file} is not beside the program: this build has no libtorch of its own (-p:TesseraLibTorch=none), so set {FolderVariable} to a folder that has it, such as a Python installation's torch/lib."
        : $"{FolderVariable} names {folder}, which lacks {file}: set it to libtorch's lib folder, such as a Python installation's torch/lib.");

    private static string VersionIn(string folder)
    {
        var file = Path.Combine(folder, "..", "version.py");
        if (!File.Exists(file)) return "";
        var line = File.ReadLines(file).FirstOrDefault(l => l.StartsWith("__version__", StringComparison.Ordinal));
        return line?.Split('\'', '"').ElementAtOrDefault(1) ?? "";
    }

    private static string Reason(string message)
    {
        var lines = message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.FirstOrDefault(l => l.Contains("undefined symbol", StringComparison.Ordinal)
            || l.Contains("not found", StringComparison.Ordinal) || l.Contains("cannot open", StringComparison.Ordinal)) ?? lines[0];
    }

    // Tessera.csproj puts the packages' files there.
    private static string OwnFolder => Path.Combine(AppContext.BaseDirectory, "libtorch");

    private static IReadOnlyList<string> NativeFolders()
    {
        var searched = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return
        [
            AppContext.BaseDirectory,
            Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"),
            Path.Combine(AppContext.BaseDirectory, "runtimes", PortableIdentifier(), "native"),
            .. searched.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
        ];
    }

    private static string PortableIdentifier()
    {
        var system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
    }

    private static string? Find(IReadOnlyList<string> folders, string file) =>
        folders.Select(f => Path.Combine(f, file)).FirstOrDefault(File.Exists);

    private static string FileName(string library) =>
        OperatingSystem.IsWindows() ? $"{library}.dll" : OperatingSystem.IsMacOS() ? $"lib{library}.dylib" : $"lib{library}.so";

    [DllImport("libc")]
    private static extern nint dlopen([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc")]
    private static extern nint dlerror();
}

/// <summary>libtorch could not be loaded. The message is one sentence that says what is missing and what to do.</summary>
public sealed class LibTorchException(string message, Exception? inner = null) : Exception(message, inner);
