namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>A folder of a test's own, gone when the test is.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tessera-").FullName;

    /// <summary>The full path of something inside; the folders above it exist afterwards.</summary>
    public string this[string name]
    {
        get
        {
            var path = System.IO.Path.Join(Path, name);
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
            return path;
        }
    }

    public string Write(string name, byte[] contents)
    {
        File.WriteAllBytes(this[name], contents);
        return this[name];
    }

    public string Write(string name, string contents)
    {
        File.WriteAllText(this[name], contents);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
