using System.Globalization;
using System.Runtime.InteropServices;
using SharpFuzz;
using SharpFuzz.Common;

namespace Tessera.Mutations;

/// <summary>The readers under AFL++, which keeps what reaches code that nothing reached before and goes on from there. <c>bench/fuzz/run.sh</c> calls it.</summary>
internal static class Fuzzing
{
    private const int TraceBytes = 1 << 16; // AFL's map
    private static readonly string[] Instrumented = ["Tessera.dll", "Tessera.Embeddings.dll", "Tessera.Imaging.dll", "Tessera.Onnx.dll"];

    /// <summary>What a command line asks for.</summary>
    /// <param name="arguments">
    /// <c>instrument FOLDER</c>: has our libraries in it tell where they come by; <c>seeds READER FOLDER</c>: writes each of the reader's sound files into a folder of its
    /// number; <c>run READER NUMBER</c>: reads what AFL gives; <c>replay READER NUMBER FILE…</c>: reads these, and says what is wrong.
    /// </param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments)
    {
        switch (arguments)
        {
            case ["instrument", var folder]:
                foreach (var library in Instrumented) Fuzzer.Instrument(Path.Join(folder, library), _ => true, Options.Value);
                return 0;
            case ["seeds", var reader, var folder]:
                return WithFiles(reader, (_, subjects) => Seeds(subjects, folder));
            case ["run", var reader, var number]:
                return WithFiles(reader, (found, subjects) =>
                {
                    var subject = subjects[int.Parse(number, CultureInfo.InvariantCulture)];
                    Fuzzer.Run(input => Judge(found, subject, Whole(input)));
                    return 0;
                });
            case ["replay", var reader, var number, .. var files]:
                return WithFiles(reader, (found, subjects) => Replay(found, subjects[int.Parse(number, CultureInfo.InvariantCulture)], files));
            default:
                Console.Error.WriteLine("fuzz instrument FOLDER, fuzz seeds READER FOLDER, fuzz run READER NUMBER or fuzz replay READER NUMBER FILE...");
                return 2;
        }
    }

    private static int WithFiles(string name, Func<Reader, IReadOnlyList<Subject>, int> then)
    {
        ForgetTraces();
        if (Readers.All.SingleOrDefault(r => r.Name == name) is not { } reader)
        {
            Console.Error.WriteLine($"The readers are {string.Join(", ", Readers.All.Select(r => r.Name))}.");
            return 2;
        }
        var folder = Directory.CreateTempSubdirectory("tessera-fuzz-").FullName;
        try
        {
            var subjects = reader.Prepare(folder);
            foreach (var subject in subjects) subject.Read(); // as it is it can be read, and what is made once in a process is made
            return then(reader, subjects);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Instrumented code writes where it comes by, also before AFL's memory for it is there.
    private static unsafe void ForgetTraces() => Trace.SharedMem = (byte*)NativeMemory.AllocZeroed(TraceBytes);

    private static int Seeds(IReadOnlyList<Subject> subjects, string folder)
    {
        for (var i = 0; i < subjects.Count; i++)
        {
            var own = Directory.CreateDirectory(Path.Join(folder, i.ToString(CultureInfo.InvariantCulture))).FullName;
            File.Copy(subjects[i].File, Path.Join(own, Path.GetFileName(subjects[i].File)));
        }
        return 0;
    }

    private static int Replay(Reader reader, Subject subject, IReadOnlyList<string> files)
    {
        var faults = 0;
        foreach (var file in files)
        {
            try
            {
                Judge(reader, subject, File.ReadAllBytes(file));
            }
            catch (Exception e)
            {
                Console.WriteLine($"{file}: {e}");
                faults++;
            }
        }
        return faults == 0 ? 0 : 1;
    }

    /// <summary>Reads a file, which throws nothing but what the reader may throw, nor takes more than it may.</summary>
    private static void Judge(Reader reader, Subject subject, byte[] content)
    {
        File.WriteAllBytes(subject.File, reader.Mend is { } mend ? mend(content) : content);
        var before = GC.GetTotalAllocatedBytes();
        try
        {
            subject.Read();
        }
        catch (Exception e) when (reader.Ours.Any(ours => ours.IsInstanceOfType(e)))
        {
            // refused, as it should be
        }
        var taken = GC.GetTotalAllocatedBytes() - before;
        if (taken > MutationRun.MostBytes + content.Length) throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"it took {taken:n0} bytes for a file of {content.Length:n0}"));
    }

    private static byte[] Whole(Stream input)
    {
        using var bytes = new MemoryStream();
        input.CopyTo(bytes);
        return bytes.ToArray();
    }
}
