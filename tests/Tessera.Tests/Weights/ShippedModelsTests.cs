using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class ShippedModelsTests : IDisposable
{
    private readonly ScratchFolder folder = new();
    private readonly MaskedAutoencoder model = new(SmallModel.Shape, seed: 8);
    private readonly ShippedModels shipped;

    public ShippedModelsTests()
    {
        ModelFile.Save(folder.File("second.safetensors"), model, SmallModel.Description, SafetensorsType.BF16);
        ModelFile.Save(folder.File("first.safetensors"), model, SmallModel.Description);
        folder.File("first.md", "# first"u8.ToArray());
        folder.File("README.md", "no model"u8.ToArray());
        shipped = new ShippedModels(folder.Path);
    }

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Are_Listed_By_Name_With_What_They_Are()
    {
        var models = shipped.Read();

        models.Select(m => (m.Name, m.Model.File, m.Model.Card, m.Model.Bytes, m.Model.Types.Single())).ShouldBe(
        [
            ("first", folder.File("first.safetensors"), folder.File("first.md"), new FileInfo(folder.File("first.safetensors")).Length, "F32"),
            ("second", folder.File("second.safetensors"), null, new FileInfo(folder.File("second.safetensors")).Length, "BF16"),
        ]);
        models.ShouldAllBe(m => m.Model.Description.Encoder == SmallModel.Shape.Encoder);
    }

    [Fact]
    public void Are_Found_By_Name_And_By_Nothing_Else()
    {
        ModelFile.Find("first", shipped).ShouldBe(folder.File("first.safetensors"));
        foreach (var other in new[] { "first.safetensors", "First", "./first", $"../{Path.GetFileName(folder.Path)}/first", "" }) shipped.Find(other).ShouldBeNull();
    }

    [Fact]
    public void Give_Way_To_A_Path_That_Exists()
    {
        var here = Path.GetFileName(Directory.EnumerateFiles(Environment.CurrentDirectory).First());
        var own = new ShippedModels(Directory.CreateDirectory(folder.File("own")).FullName);
        File.Copy(folder.File("first.safetensors"), folder.File($"own/{here}.safetensors"));
        own.Find(here).ShouldNotBeNull();

        ModelFile.Find(here, own).ShouldBe(here);
        ModelFile.Find(folder.File("first.safetensors"), shipped).ShouldBe(folder.File("first.safetensors"));
    }

    [Fact]
    public void Are_Named_Where_A_Name_Is_Unknown()
    {
        Message("frist", shipped).ShouldBe("There is no model 'frist': give a run directory, a .safetensors or PyTorch file, or the name of a model that ships: first, second.");
        Message("first", new ShippedModels(folder.File("nowhere"))).ShouldBe(
            "There is no model 'first': give a run directory, or a .safetensors or PyTorch file; no model ships with this build.");
        Message(folder.File("frist"), shipped).ShouldBe($"There is no model at {folder.File("frist")}: give a run directory, or a .safetensors or PyTorch file.");

        static string Message(string path, ShippedModels shipped) => Should.Throw<ModelFileException>(() => ModelFile.Find(path, shipped)).Message;
    }

    [Fact]
    public void Keep_Their_Name_Where_A_Path_Is_Made_A_Full_One()
    {
        ModelFile.FullName("tessera-tiny").ShouldBe("tessera-tiny");
        ModelFile.FullName("runs/tiny").ShouldBe(Path.GetFullPath("runs/tiny"));
        ModelFile.FullName(folder.Path).ShouldBe(folder.Path);
        ModelFile.FullName(".").ShouldBe(Environment.CurrentDirectory);
    }

    [Fact]
    public void Lie_Beside_Each_Program_And_Are_As_The_Folder_Says()
    {
        File.Exists(Path.Join(AppContext.BaseDirectory, "models", "README.md")).ShouldBeTrue("the build copies the repository's folder");
        foreach (var (name, info) in ShippedModels.Default.Read())
        {
            info.Bytes.ShouldBeLessThanOrEqualTo(ShippedModels.MostBytes, name);
            info.Card.ShouldNotBeNull(name);
            info.Types.ShouldBe(["BF16"], name);
            info.Description.Reconstruction.ShouldNotBeNull(name);
        }
    }
}
