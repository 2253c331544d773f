namespace Tessera.Cli.Tests.Fixtures;

/// <summary>A folder of a test's own, gone when the test is.</summary>
public sealed class TemporaryFolder : IDisposable
{
    /// <summary>Its full path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("tessera-").FullName;

    /// <summary>The full path of something inside, which need not be there.</summary>
    public string this[string name] => System.IO.Path.Join(Path, name);

    /// <summary>Makes a folder inside and returns its full path.</summary>
    public string Folder(string name) => Directory.CreateDirectory(this[name]).FullName;

    /// <summary>Writes a file inside and returns its full path.</summary>
    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
